import type { Admin } from 'kafkajs';

export interface Rewound {
  readonly group: string;
  readonly topic: string;
  /** How many events are given to the group again. */
  readonly events: number;
}

/**
 * Takes a group's positions back to what was appended since `to` (LogAppendTime), and none of them forward. Its members
 * must have ended. What the group has handled already is in its inbox, so that only what it has forgotten is done again.
 */
export async function rewindGroup(
  admin: Admin,
  group: string,
  topics: readonly string[],
  to: Date,
): Promise<Rewound[]> {
  const rewound: Rewound[] = [];
  if (topics.length === 0) return rewound;
  const committed = await admin.fetchOffsets({ groupId: group, topics: [...topics] });
  for (const { topic, partitions } of committed) {
    const at = new Map(
      (await admin.fetchTopicOffsetsByTimestamp(topic, to.getTime())).map(({ partition, offset }) => [
        partition,
        BigInt(offset),
      ]),
    );
    // -1: the group has no position there, and begins at the first event that is kept.
    const back = partitions.flatMap(({ partition, offset }) => {
      const target = at.get(partition);
      return target === undefined || target < 0n || BigInt(offset) <= target
        ? []
        : [{ partition, offset: String(target), events: Number(BigInt(offset) - target) }];
    });
    if (back.length === 0) continue;
    await admin.setOffsets({
      groupId: group,
      topic,
      partitions: back.map(({ partition, offset }) => ({ partition, offset })),
    });
    rewound.push({ group, topic, events: back.reduce((sum, { events }) => sum + events, 0) });
  }
  return rewound;
}
