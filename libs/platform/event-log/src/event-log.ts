import type { LogEvent } from './event.js';

/**
 * Handles one event. Resolving means the effect is durable: only then the group's position moves past it.
 * Rejecting means the effect did not happen; the subscription's own failure policy decides between trying
 * again and parking (see consumer.ts), so a handler given to an adapter never needs to reject for good.
 */
export type EventHandler = (event: LogEvent) => Promise<void>;

export interface SubscriptionOptions {
  /** Consumer group: members of one group share the partitions. */
  readonly group: string;
  readonly topics: readonly string[];
  readonly handler: EventHandler;
  /** `earliest` for services (nothing is missed on first start); `latest` for watchers. */
  readonly from: 'earliest' | 'latest';
  /** Told when the subscription stops for good and cannot restart: liveness must fail. */
  readonly onCrash: (error: Error) => void;
}

export interface Subscription {
  /** Stops fetching, lets running handlers finish (at most `drainMs`), commits, leaves the group. */
  close(): Promise<void>;
}

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
  /** Events behind a group's position, by topic, where the adapter knows: counted to 10,000 a partition. */
  lag?(group: string): Promise<ReadonlyMap<string, number>>;
  /** Rejects when the log cannot be reached. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
