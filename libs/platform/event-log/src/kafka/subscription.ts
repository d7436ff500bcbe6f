import { setTimeout as sleep } from 'node:timers/promises';
import type { Consumer, EachBatchPayload, Kafka } from 'kafkajs';

import type { LogEvent } from '../event.js';
import { handlerOf, type RunHandler, runEventsMax, type Subscription, type SubscriptionOptions } from '../event-log.js';
import { committer } from './committer.js';
import { fromMessage } from './headers.js';
import { Membership, RejoinError } from './membership.js';
import { SilenceWatch } from './silence-watch.js';

export interface KafkaTuning {
  /**
   * A crashed member's partitions go to others after this time. 30 s: three missed heartbeats of a broker that fails
   * over cost nothing, and a crash is no longer outage than that.
   */
  readonly sessionTimeoutMs: number;
  /** Partitions handled at the same time by one subscription; each may hold a connection of the service's pool. */
  readonly concurrencyMax: number;
  /** How long a start waits for the coordinator to load and the topics to exist. */
  readonly startTimeoutMs: number;
  /**
   * What a running handler gets to end when the group is divided anew or the subscription closes; then it is
   * abandoned. Longer than any healthy handler (statements end after 30 s at the latest, most within 1 s) would hold up
   * every member of the group; far below the group's rebalance timeout of 60 s, or the broker would throw us out.
   */
  readonly drainMs: number;
  /**
   * Fetches and heartbeats come every few seconds; none for this long, from a cluster that answers, is a consumer that
   * died silently (kafkajs #1712).
   */
  readonly silentMaxMs: number;
}

/** What a subscription has of its log. */
export interface SubscriptionParts {
  readonly onError: (error: unknown) => void;
  /** Asks the group's coordinator and the leaders of its topics. @throws {EventLogUnavailableError} */
  readonly askCluster: () => Promise<unknown>;
}

export const kafkaDefaults: KafkaTuning = {
  sessionTimeoutMs: 30_000,
  concurrencyMax: 4,
  startTimeoutMs: 60_000,
  drainMs: 10_000,
  silentMaxMs: 300_000,
};

/**
 * About three seconds on one connection. kafkajs keeps asking the coordinator it knows, dead or not, and only looks for the
 * new one when it has given up and starts again, which it does by itself.
 */
const consumerRetry = { initialRetryTime: 200, retries: 4, maxRetryTime: 2_000 };
/**
 * How long a member fetches from leaders it once heard of. kafkajs' five minutes are how long it would ask a broker that died,
 * and come back to the group in vain; a request every few seconds costs nothing.
 */
const metadataMaxAgeMs = 3_000;
const failurePauseMs = 250;
const startRetryMs = 500;
/** Leaving the group and closing sockets, once nothing runs any more. */
const leaveMs = 3_000;
/** One fetch over all partitions: bounds what one subscription holds in memory. */
const fetchBytesMax = 8 * 1024 * 1024;
/** One event fits (`valueBytesMax`), and eight partitions fill a fetch. */
const partitionBytesMax = 1024 * 1024;
/** An idle fetch is answered after this time: how late an event may be seen at worst, and four requests a second. */
const fetchWaitMs = 250;
/** Members have this long to come back when the group is divided anew: `drainMs`, a heartbeat and some room. */
const rebalanceTimeoutMsMin = 60_000;
/** Heartbeats a session: nine may get lost. */
const heartbeatsPerSession = 10;

/** One kafkajs consumer in one group. Offsets are committed after the effect, never before. */
export class KafkaSubscription implements Subscription {
  #consumer: Consumer;
  #membership: Membership;
  /** Handlers that still run though their partition was given up, by partition: when it comes back they end first. */
  readonly #abandoned = new Map<string, Promise<unknown>>();
  #closing = false;
  #crashed = false;
  #started = false;
  readonly #watch: SilenceWatch;

  constructor(
    private readonly kafka: Kafka,
    private readonly options: SubscriptionOptions,
    private readonly tuning: KafkaTuning,
    private readonly parts: SubscriptionParts,
  ) {
    this.#membership = new Membership(tuning);
    this.#watch = new SilenceWatch({
      silentMaxMs: tuning.silentMaxMs,
      askCluster: parts.askCluster,
      onSilent: () => this.#crash(new Error('the consumer gives no sign of life')),
    });
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
        this.parts.onError(error);
        await this.#consumer.disconnect().catch(this.parts.onError);
        if (Date.now() > deadline) throw error;
        await sleep(startRetryMs);
        this.#consumer = this.#newConsumer();
      }
    }
    this.#started = true;
    this.#watch.start();
    return this;
  }

  /** Fetches nothing more, lets handlers end within `drainMs` or abandons them, commits, leaves the group. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#watch.stop();
    this.#membership.end();
    const left = this.#consumer.stop().then(() => this.#consumer.disconnect());
    await Promise.race([
      left.catch(this.parts.onError),
      sleep(this.tuning.drainMs + leaveMs, undefined, { ref: false }),
    ]);
    this.#membership.lose();
  }

  #newConsumer(): Consumer {
    const { sessionTimeoutMs, drainMs } = this.tuning;
    const consumer = this.kafka.consumer({
      groupId: this.options.group,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: Math.max(rebalanceTimeoutMsMin, sessionTimeoutMs * 2, drainMs * 2),
      heartbeatInterval: this.#heartbeatMs,
      allowAutoTopicCreation: false,
      maxBytes: fetchBytesMax,
      maxBytesPerPartition: partitionBytesMax,
      maxWaitTimeInMs: fetchWaitMs,
      metadataMaxAge: metadataMaxAgeMs,
      retry: consumerRetry,
    });
    consumer.on(consumer.events.FETCH, () => this.#watch.sign());
    consumer.on(consumer.events.HEARTBEAT, () => {
      this.#watch.sign();
      this.#membership.heard();
    });
    consumer.on(consumer.events.GROUP_JOIN, () => {
      this.#watch.sign();
      this.#membership.lose();
      this.#membership = new Membership(this.tuning);
      if (this.#closing) this.#membership.end();
    });
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      this.parts.onError(payload.error);
      if (!payload.restart) this.#crash(payload.error);
    });
    return consumer;
  }

  get #heartbeatMs(): number {
    return Math.floor(this.tuning.sessionTimeoutMs / heartbeatsPerSession);
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

  #crash(error: Error): void {
    // While starting, start() itself rejects.
    if (!this.#started || this.#closing || this.#crashed) return;
    this.#crashed = true;
    this.#membership.lose();
    this.options.onCrash(error);
  }

  /** kafkajs waits for all running batches before it joins again: a batch belongs to one generation. */
  async #handleBatch(payload: EachBatchPayload): Promise<void> {
    const membership = this.#membership;
    const commit = committer(payload, membership);
    const { topic, partition, messages } = payload.batch;
    const events = messages.map((message) => fromMessage(topic, partition, message));
    const handler = handlerOf(this.options.handler, events);
    try {
      for (let handled = 0; handled < events.length;) {
        if (membership.ending || !payload.isRunning() || payload.isStale()) break;
        const next = events.slice(handled, handled + runEventsMax);
        const count = await this.#handle(payload, membership, next, handler);
        const last = count > 0 ? messages[handled + count - 1] : undefined;
        if (!last) break;
        handled += count;
        payload.resolveOffset(last.offset);
        await commit.later(last.offset);
        await this.#beat(payload, membership);
      }
    } finally {
      await commit.now();
    }
    if (membership.ending && !this.#closing) throw new RejoinError();
  }

  /** @returns how many; 0 when the handler rejected, or was abandoned: they stay next for whoever has the partition */
  async #handle(
    { batch, ...payload }: EachBatchPayload,
    membership: Membership,
    events: readonly LogEvent[],
    handler: RunHandler,
  ): Promise<number> {
    const place = `${batch.topic}/${batch.partition}`;
    // A handler that takes some seconds must not cost the membership.
    const beating = setInterval(() => void this.#beat(payload, membership), this.#heartbeatMs);
    try {
      if (!(await membership.outlasts(Promise.resolve(this.#abandoned.get(place))))) return 0;
      const work = handler(events, membership.signal);
      if (await membership.outlasts(work)) return await work;
      this.#abandon(place, work);
      return 0;
    } catch (error) {
      this.parts.onError(error);
      await sleep(failurePauseMs);
      return 0;
    } finally {
      clearInterval(beating);
    }
  }

  #abandon(place: string, work: Promise<unknown>): void {
    const ended = work.catch(this.parts.onError).finally(() => {
      if (this.#abandoned.get(place) === ended) this.#abandoned.delete(place);
    });
    this.#abandoned.set(place, ended);
  }

  async #beat({ heartbeat }: Pick<EachBatchPayload, 'heartbeat'>, membership: Membership): Promise<void> {
    membership.checkSession();
    if (membership.lost) return;
    try {
      await heartbeat();
    } catch (error) {
      if (!membership.ending && !isRebalance(error)) this.parts.onError(error);
      membership.heartbeatFailed(error);
    }
  }
}

const isRebalance = (error: unknown): boolean => (error as { type?: unknown }).type === 'REBALANCE_IN_PROGRESS';
