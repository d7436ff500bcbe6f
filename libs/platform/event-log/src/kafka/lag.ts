import type { Admin } from 'kafkajs';

import type { PartitionLag } from '../event-log.js';

/** Events between a group's committed offset and the end of each partition; from the first kept one where it has none. */
export async function kafkaLag(admin: Admin, group: string, topics: readonly string[]): Promise<PartitionLag[]> {
  if (topics.length === 0) return [];
  const committed = new Map(
    (await admin.fetchOffsets({ groupId: group, topics: [...topics] })).map(({ topic, partitions }) => [
      topic,
      new Map(partitions.map(({ partition, offset }) => [partition, BigInt(offset)])),
    ]),
  );
  const found = await Promise.all(
    topics.map(async (topic) =>
      (await admin.fetchTopicOffsets(topic)).map(({ partition, high, low }) => {
        const at = committed.get(topic)?.get(partition) ?? -1n;
        const from = at < BigInt(low) ? BigInt(low) : at;
        return { topic, partition, events: Math.max(0, Number(BigInt(high) - from)) };
      }),
    ),
  );
  return found.flat().sort((a, b) => a.topic.localeCompare(b.topic) || a.partition - b.partition);
}
