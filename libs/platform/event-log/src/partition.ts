import { createHash } from 'node:crypto';
import { topicByName } from '@callosum/contracts';

/** Dead-letter topics are read by people: one partition keeps them in one order. */
const partitionsOfOthers = 1;

/** Partitions of a topic on the Postgres log; Kafka keeps its own number, set from the same catalogue. */
export function partitionsOf(topic: string): number {
  return topicByName(topic)?.partitions ?? partitionsOfOthers;
}

/** The same key lands in the same partition on every machine and in every version. */
export function partitionOf(key: string, partitions: number): number {
  return createHash('sha256').update(key, 'utf8').digest().readUInt32BE(0) % partitions;
}
