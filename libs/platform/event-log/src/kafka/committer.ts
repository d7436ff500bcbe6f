import type { EachBatchPayload } from 'kafkajs';

import type { Membership } from './membership.js';

/** What a crash repeats at most, against a request to the coordinator for every event. */
const commitEveryMs = 200;

export interface Committer {
  /** `handled` is the offset of a message whose effect is durable. */
  later(handled: string): Promise<void>;
  now(): Promise<void>;
}

/**
 * Commits offsets of handled messages at most every `commitEveryMs`, and at the end of the batch; none once the
 * partition is lost. The broker checks the generation, but kafkajs would send our offset under its next one.
 */
export function committer(payload: EachBatchPayload, membership: Pick<Membership, 'lost'>): Committer {
  const { topic, partition } = payload.batch;
  let next: string | undefined;
  let committedAt = Date.now();
  const now = async (): Promise<void> => {
    if (next === undefined || membership.lost) return;
    const offset = next;
    next = undefined;
    await payload.commitOffsetsIfNecessary({ topics: [{ topic, partitions: [{ partition, offset }] }] });
    committedAt = Date.now();
  };
  return {
    now,
    later: async (handled) => {
      // The committed offset is that of the next message to read.
      next = (BigInt(handled) + 1n).toString();
      if (Date.now() - committedAt > commitEveryMs) await now();
    },
  };
}
