import { setTimeout as sleep } from 'node:timers/promises';
import { topicCatalogue, type Topic } from '@callosum/contracts';
import type { Admin, ITopicConfig } from 'kafkajs';

import { dlqRetentionDays, dlqTopic } from '../dlq.js';
import { recordBytesMax } from '../envelope.js';
import { EventLogUnavailableError } from '../errors.js';

const dayMs = 86_400_000;
/** Dozens of topics on a busy cluster. */
const leadersTimeoutMs = 30_000;
const leadersPauseMs = 200;

/** What a site's Kafka must promise: an acknowledged event survives the loss of any one broker. */
export const productionReplication = 3;
export const productionInSync = 2;

/** One topic as the catalogue wants it. */
export interface WantedTopic {
  readonly topic: string;
  readonly partitions: number;
  readonly retentionMs: number;
}

/** Every topic of the catalogue, and one dead-letter topic for each service that consumes it. */
export function wantedTopics(catalogue: readonly Topic<never>[] = topicCatalogue): WantedTopic[] {
  return catalogue.flatMap(({ name, partitions, retentionDays, consumers }) => [
    { topic: name, partitions, retentionMs: retentionDays * dayMs },
    ...consumers
      .filter((consumer) => typeof consumer === 'string')
      .map((group) => ({ topic: dlqTopic(name, group), partitions: 1, retentionMs: dlqRetentionDays * dayMs })),
  ]);
}

/** As they are created. */
export function topicConfigs(catalogue: readonly Topic<never>[], replicationFactor: number): ITopicConfig[] {
  return wantedTopics(catalogue).map((wanted) => config(wanted, replicationFactor));
}

/** Creates the topics that are missing; leaves those that exist as they are. Safe from several processes at once. */
export async function createMissingTopics(
  admin: Admin,
  replicationFactor: number,
  catalogue: readonly Topic<never>[] = topicCatalogue,
): Promise<void> {
  const existing = new Set(await admin.listTopics());
  const missing = topicConfigs(catalogue, replicationFactor).filter(({ topic }) => !existing.has(topic));
  if (missing.length === 0) return;
  // Answers false when another process was first.
  await admin.createTopics({ topics: missing, waitForLeaders: false });
  await waitForLeaders(
    admin,
    missing.map(({ topic }) => topic),
  );
}

/** kafkajs' own wait fails when it asks a broker that has not heard of the topic yet. */
async function waitForLeaders(admin: Admin, topics: string[]): Promise<void> {
  for (const deadline = Date.now() + leadersTimeoutMs; ; await sleep(leadersPauseMs)) {
    try {
      const found = await admin.fetchTopicMetadata({ topics });
      if (
        found.topics.every(({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0))
      )
        return;
      if (Date.now() > deadline) throw new EventLogUnavailableError('the new topics have no leaders');
    } catch (error) {
      const type = (error as { type?: unknown }).type;
      if (Date.now() > deadline || (type !== 'UNKNOWN_TOPIC_OR_PARTITION' && type !== 'LEADER_NOT_AVAILABLE'))
        throw error;
    }
  }
}

function config({ topic, partitions, retentionMs }: WantedTopic, replicationFactor: number): ITopicConfig {
  return {
    topic,
    numPartitions: partitions,
    replicationFactor,
    configEntries: [
      { name: 'cleanup.policy', value: 'delete' },
      { name: 'retention.ms', value: String(retentionMs) },
      // By time alone: a busy day must not push out what a consumer that is down has not read.
      { name: 'retention.bytes', value: '-1' },
      // Retention counts from the append, whatever clock the producer has.
      { name: 'message.timestamp.type', value: 'LogAppendTime' },
      { name: 'max.message.bytes', value: String(recordBytesMax) },
      // With three replicas an acknowledged event is on two disks or more.
      { name: 'min.insync.replicas', value: String(Math.min(productionInSync, replicationFactor)) },
      // A replica that lags behind must not become leader: what it lacks was acknowledged.
      { name: 'unclean.leader.election.enable', value: 'false' },
    ],
  };
}
