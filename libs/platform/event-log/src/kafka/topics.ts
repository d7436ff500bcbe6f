import { topicCatalogue, type Topic } from '@callosum/contracts';
import type { Admin, ITopicConfig } from 'kafkajs';

import { dlqRetentionDays, dlqTopic } from '../dlq.js';

const dayMs = 86_400_000;

/** Every topic of the catalogue, and one dead-letter topic for each service that consumes it. */
export function topicConfigs(catalogue: readonly Topic<never>[], replicationFactor: number): ITopicConfig[] {
  return catalogue.flatMap((topic) => [
    config(topic.name, topic.partitions, topic.retentionDays, replicationFactor),
    ...topic.consumers
      .filter((consumer) => typeof consumer === 'string')
      .map((group) => config(dlqTopic(topic.name, group), 1, dlqRetentionDays, replicationFactor)),
  ]);
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
  // Answers false when another process was first; waits until every partition has a leader.
  await admin.createTopics({ topics: missing, waitForLeaders: true });
}

function config(topic: string, partitions: number, retentionDays: number, replicationFactor: number): ITopicConfig {
  return {
    topic,
    numPartitions: partitions,
    replicationFactor,
    configEntries: [
      { name: 'retention.ms', value: String(retentionDays * dayMs) },
      // Retention counts from the append, whatever clock the producer has.
      { name: 'message.timestamp.type', value: 'LogAppendTime' },
      // With three replicas an acknowledged event is on two disks or more.
      { name: 'min.insync.replicas', value: String(Math.min(2, replicationFactor)) },
    ],
  };
}
