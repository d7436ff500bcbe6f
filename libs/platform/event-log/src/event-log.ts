import { topicCatalogue } from '@callosum/contracts';

import type { LogEvent } from './event.js';

/**
 * Handles one event. Resolving means the effect is durable: only then the group's position moves past it.
 * Rejecting means the effect did not happen; the subscription's own failure policy decides between trying
 * again and parking (see consumer.ts), so a handler given to an adapter never needs to reject for good.
 * `lost` is aborted once the event's partition may be another member's: whoever has it now decides about the event,
 * so nothing is parked and nothing tried again. An effect that still commits is harmless: its inbox row makes it one.
 */
export type EventHandler = (event: LogEvent, lost?: AbortSignal) => Promise<void>;

/**
 * Handles the first of these events of one partition, in their order: one at least, and as many more as may be handled with
 * it. Of those resolving and rejecting mean what they mean for one.
 * @returns how many
 */
export type RunHandler = (events: readonly LogEvent[], lost?: AbortSignal) => Promise<number>;

/** Events that are offered to a handler at once: it has the partition for as long as it takes them. */
export const runEventsMax = 32;

/** What an event is ordered by: facts of one key within a topic. */
export type EventPlace = Pick<LogEvent, 'topic' | 'key'>;

/**
 * Handles events that were fetched together, all of partitions that were this member's by then: what has to be known of
 * each may be asked once for all. Events of one fetch may be handled some at a time, and some not at all.
 */
export interface FetchHandler {
  ofFetched(events: readonly EventPlace[]): RunHandler;
}

/** The handler of events that were fetched together. */
export const handlerOf = (handler: EventHandler | FetchHandler, fetched: readonly EventPlace[]): RunHandler =>
  typeof handler === 'function' ? oneByOne(handler) : handler.ofFetched(fetched);

const oneByOne =
  (handler: EventHandler): RunHandler =>
  async ([event], lost) => {
    if (event) await handler(event, lost);
    return 1;
  };

export interface SubscriptionOptions {
  /** Consumer group: members of one group share the partitions. */
  readonly group: string;
  readonly topics: readonly string[];
  readonly handler: EventHandler | FetchHandler;
  /** `earliest` for services (nothing is missed on first start); `latest` for watchers. */
  readonly from: 'earliest' | 'latest';
  /** Told when the subscription stops for good and cannot restart: liveness must fail. */
  readonly onCrash: (error: Error) => void;
}

export interface Subscription {
  /** Stops fetching, lets running handlers finish within `drainMs` or abandons them, commits, leaves the group. */
  close(): Promise<void>;
}

/** How many events of one partition a group has not handled yet. */
export interface PartitionLag {
  readonly topic: string;
  readonly partition: number;
  readonly events: number;
}

/** The catalogue's topics that the service of this name consumes. */
export const topicsOfGroup = (group: string): string[] =>
  topicCatalogue.filter(({ consumers }) => consumers.some((consumer) => consumer === group)).map(({ name }) => name);

/**
 * The durable log between services. Two adapters (Postgres, Kafka), one contract suite.
 * - order per key within a topic
 * - at least once: an event whose handler did not resolve is delivered again, after a crash too
 * - members of one group share partitions; every group sees every event
 * - no event is skipped because of concurrent writers
 */
export interface EventLog {
  /** Durable when it resolves (Kafka: acks=all). Order of the array is kept per key. */
  append(events: readonly LogEvent[]): Promise<void>;
  subscribe(options: SubscriptionOptions): Promise<Subscription>;
  /** Rejects when the log cannot be reached. */
  ping(): Promise<void>;
  /**
   * Per partition, in the order of topics and partitions; of the topics the service of that name consumes unless named.
   * The Postgres log counts up to `lagEventsMax` a partition.
   */
  lag(group: string, topics?: readonly string[]): Promise<PartitionLag[]>;
  close(): Promise<void>;
}
