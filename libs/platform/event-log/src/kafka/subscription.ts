import { setTimeout as sleep } from 'node:timers/promises';
import type { Consumer, EachBatchPayload, Kafka, KafkaMessage } from 'kafkajs';

import type { Subscription, SubscriptionOptions } from '../event-log.js';
import { fromMessage } from './headers.js';

export interface KafkaTuning {
  /** A crashed member's partitions go to others after this time. */
  readonly sessionTimeoutMs: number;
  /** Partitions handled at the same time by one subscription. */
  readonly concurrencyMax: number;
  /** How long a start waits for the coordinator to load and the topics to exist. */
  readonly startTimeoutMs: number;
  readonly drainMs: number;
}

export const kafkaDefaults: KafkaTuning = {
  sessionTimeoutMs: 30_000,
  concurrencyMax: 4,
  startTimeoutMs: 60_000,
  drainMs: 10_000,
};

const commitEveryMs = 200;
const failurePauseMs = 250;
const startRetryMs = 500;
/** One fetch over all partitions: bounds what one subscription holds in memory. */
const fetchBytesMax = 8 * 1024 * 1024;
const partitionBytesMax = 1024 * 1024;
/** Fetches and heartbeats come every few seconds; none for this long is a consumer that died silently (kafkajs #1712). */
const silentMaxMs = 300_000;

/** One kafkajs consumer in one group. Offsets are committed after the effect, never before. */
export class KafkaSubscription implements Subscription {
  #consumer: Consumer;
  #closing = false;
  #crashed = false;
  #started = false;
  #lastSign = Date.now();
  #watchdog: NodeJS.Timeout | undefined;

  constructor(
    private readonly kafka: Kafka,
    private readonly options: SubscriptionOptions,
    private readonly tuning: KafkaTuning,
    private readonly onError: (error: unknown) => void,
  ) {
    this.#consumer = this.#newConsumer();
  }

  /** Resolves when the group was joined; tries again while the coordinator loads or a topic is not there yet. */
  async start(): Promise<this> {
    const deadline = Date.now() + this.tuning.startTimeoutMs;
    for (;;) {
      try {
        await this.#join(Math.max(1_000, deadline - Date.now()));
        break;
      } catch (error) {
        this.onError(error);
        await this.#consumer.disconnect().catch(this.onError);
        if (Date.now() > deadline) throw error;
        await sleep(startRetryMs);
        this.#consumer = this.#newConsumer();
      }
    }
    this.#started = true;
    this.#watchdog = setInterval(() => this.#watch(), silentMaxMs / 10).unref();
    return this;
  }

  async close(): Promise<void> {
    this.#closing = true;
    clearInterval(this.#watchdog);
    const drained = this.#consumer.stop().then(() => this.#consumer.disconnect());
    await Promise.race([drained.catch(this.onError), sleep(this.tuning.drainMs, undefined, { ref: false })]);
  }

  #newConsumer(): Consumer {
    const { sessionTimeoutMs } = this.tuning;
    const consumer = this.kafka.consumer({
      groupId: this.options.group,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: Math.max(60_000, sessionTimeoutMs * 2),
      heartbeatInterval: this.#heartbeatMs,
      allowAutoTopicCreation: false,
      maxBytes: fetchBytesMax,
      maxBytesPerPartition: partitionBytesMax,
      maxWaitTimeInMs: 250,
      retry: { initialRetryTime: 200, retries: 10, maxRetryTime: 5_000 },
    });
    const alive = (): void => {
      this.#lastSign = Date.now();
    };
    for (const event of [consumer.events.HEARTBEAT, consumer.events.FETCH, consumer.events.GROUP_JOIN] as const) {
      consumer.on(event as typeof consumer.events.HEARTBEAT, alive);
    }
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      this.onError(payload.error);
      if (!payload.restart) this.#crash(payload.error);
    });
    return consumer;
  }

  get #heartbeatMs(): number {
    return Math.floor(this.tuning.sessionTimeoutMs / 10);
  }

  async #join(timeoutMs: number): Promise<void> {
    const consumer = this.#consumer;
    await consumer.connect();
    await consumer.subscribe({ topics: [...this.options.topics], fromBeginning: this.options.from === 'earliest' });
    const joined = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the consumer group was not joined in time')), timeoutMs);
      consumer.on(consumer.events.GROUP_JOIN, () => {
        clearTimeout(timer);
        resolve();
      });
      consumer.on(consumer.events.CRASH, ({ payload }) => {
        if (payload.restart) return;
        clearTimeout(timer);
        reject(payload.error);
      });
    });
    const running = consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: this.tuning.concurrencyMax,
      eachBatch: (payload) => this.#handleBatch(payload),
    });
    await Promise.all([running, joined]);
  }

  #watch(): void {
    if (Date.now() - this.#lastSign > silentMaxMs) this.#crash(new Error('the consumer gives no sign of life'));
  }

  #crash(error: Error): void {
    // While starting, start() itself rejects.
    if (!this.#started || this.#closing || this.#crashed) return;
    this.#crashed = true;
    this.options.onCrash(error);
  }

  async #handleBatch(payload: EachBatchPayload): Promise<void> {
    const { batch, resolveOffset, heartbeat, isRunning, isStale } = payload;
    const commit = committer(payload);
    try {
      for (const message of batch.messages) {
        if (this.#closing || !isRunning() || isStale()) break;
        if (!(await this.#handle(payload, message))) break;
        resolveOffset(message.offset);
        await commit.later(message.offset);
        await heartbeat();
      }
    } finally {
      await commit.now();
    }
  }

  /** @returns false when the handler rejected: the event stays next, and is fetched again after a pause */
  async #handle({ batch, heartbeat }: EachBatchPayload, message: KafkaMessage): Promise<boolean> {
    // A handler that tries again for some seconds must not cost the membership; a failed heartbeat shows in the
    // next one, after the handler, where kafkajs expects it.
    const beating = setInterval(() => void heartbeat().catch(this.onError), this.#heartbeatMs);
    try {
      await this.options.handler(fromMessage(batch.topic, batch.partition, message));
      return true;
    } catch (error) {
      this.onError(error);
      await sleep(failurePauseMs);
      return false;
    } finally {
      clearInterval(beating);
    }
  }
}

interface Committer {
  later(offset: string): Promise<void>;
  now(): Promise<void>;
}

/** Commits offsets of handled messages at most every `commitEveryMs`, and at the end of the batch. */
function committer({ batch: { topic, partition }, commitOffsetsIfNecessary }: EachBatchPayload): Committer {
  let next: string | undefined;
  let committedAt = Date.now();
  const now = async (): Promise<void> => {
    if (next === undefined) return;
    const offset = next;
    next = undefined;
    await commitOffsetsIfNecessary({ topics: [{ topic, partitions: [{ partition, offset }] }] });
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
