import { setTimeout as sleep } from 'node:timers/promises';

import type { BrokerId, TestKafkaCluster } from '@callosum/testing';
import kafkajs, { type Admin } from 'kafkajs';

import type { Fault } from './fault-plan.js';

export interface LeaderCounts {
  /** Partitions that another broker led once theirs was gone. */
  moved: number;
  /** Partitions that the broker led again once it was back. */
  returned: number;
  /** Faults after which no leader was another one: they tried nothing. */
  withoutEffect: number;
}

/** A killed broker is fenced after its session (5 s), and the first election after it takes a moment. */
const moveMsMax = 60_000;
const askEveryMs = 250;

/** Takes single brokers away, and sees by the metadata that leaders really moved. */
export class BrokerFaults {
  readonly counts: LeaderCounts = { moved: 0, returned: 0, withoutEffect: 0 };

  private constructor(
    private readonly kafka: TestKafkaCluster,
    private readonly admin: Admin,
  ) {}

  static async open(kafka: TestKafkaCluster): Promise<BrokerFaults> {
    const client = new kafkajs.Kafka({ brokers: [...kafka.brokers], logLevel: kafkajs.logLevel.NOTHING });
    const admin = client.admin();
    await admin.connect();
    return new BrokerFaults(kafka, admin);
  }

  /** Resolves when the broker is back and leads again. */
  async moveLeaders({ broker, clean, ms }: Extract<Fault, { kind: 'leader-move' }>): Promise<void> {
    const led = await this.#wait((leaders) => partitionsOf(leaders, broker), moveMsMax);
    await (clean ? this.kafka.shutDown(broker) : this.kafka.kill(broker));
    const moved = await this.#wait((leaders) => movedTo(leaders, led, broker), moveMsMax, led.length);
    await sleep(ms);
    await this.kafka.start(broker);
    const returned = await this.#wait((leaders) => partitionsOf(leaders, broker), moveMsMax);
    this.counts.moved += moved.length;
    this.counts.returned += returned.length;
    if (moved.length === 0) this.counts.withoutEffect++;
  }

  async close(): Promise<void> {
    await this.admin.disconnect();
  }

  /** What `find` finds once it is `wanted` partitions or more, or all it found when the time is over. */
  async #wait(
    find: (leaders: ReadonlyMap<string, number>) => readonly string[],
    msMax: number,
    wanted = 1,
  ): Promise<readonly string[]> {
    for (const deadline = Date.now() + msMax; ; await sleep(askEveryMs)) {
      // A broker that is going may be the one that was asked.
      const found = await this.#leaders().then(find, () => []);
      if (found.length >= wanted || Date.now() > deadline) return found;
    }
  }

  /** Node id of the leader of each partition of the cluster, Kafka's own topics too; negative where there is none. */
  async #leaders(): Promise<Map<string, number>> {
    const { topics } = await this.admin.fetchTopicMetadata();
    return new Map(
      topics.flatMap(({ name, partitions }) =>
        partitions.map(({ partitionId, leader }) => [`${name} ${partitionId}`, leader] as const),
      ),
    );
  }
}

const partitionsOf = (leaders: ReadonlyMap<string, number>, broker: BrokerId): string[] =>
  [...leaders].filter(([, leader]) => leader === broker).map(([partition]) => partition);

function movedTo(leaders: ReadonlyMap<string, number>, led: readonly string[], from: BrokerId): string[] {
  return led.filter((partition) => {
    const leader = leaders.get(partition) ?? -1;
    return leader >= 0 && leader !== from;
  });
}
