import { EventEmitter } from 'node:events';
import { topicCatalogue } from '@callosum/contracts';
import { sql, type QueryExecutorProvider } from 'kysely';

import { dlqRetentionDays } from '../dlq.js';
import { assertEnvelope } from '../envelope.js';
import { EventLogUnavailableError } from '../errors.js';
import {
  topicsOfGroup,
  type EventLog,
  type PartitionLag,
  type Subscription,
  type SubscriptionOptions,
} from '../event-log.js';
import type { LogEvent } from '../event.js';
import { partitionOf, partitionsOf } from '../partition.js';
import { eventColumns, eventValues } from '../rows.js';
import type { SqlDatabase } from '../sql.js';
import { postgresLag } from './lag.js';
import { PostgresSubscription, subscriptionDefaults, type SubscriptionTuning } from './subscription.js';

export interface PostgresEventLogOptions {
  /** A connection whose role may read and write the schema `event_log`. Stays open when the log is closed. */
  readonly db: SqlDatabase;
  /** Told of failures that are tried again: for the log, not for decisions. */
  readonly onError: (error: unknown) => void;
  readonly tuning?: Partial<SubscriptionTuning>;
}

/** Appends of this process, so that its readers need not wait for their next poll. Other processes poll. */
const appended = new EventEmitter().setMaxListeners(0);
/** 13 parameters a row; PostgreSQL takes 65,535 in one statement. */
const insertRowsMax = 1_000;
/** One statement's work, short enough to hold no reader back. */
const pruneRowsMax = 5_000;
const pruneEveryMs = 3_600_000;

/** The event log of the embedded mode: durable rows in PostgreSQL. */
export class PostgresEventLog implements EventLog {
  readonly #db: SqlDatabase;
  readonly #onError: (error: unknown) => void;
  readonly #tuning: SubscriptionTuning;
  readonly #subscriptions = new Set<Subscription>();
  readonly #pruning: NodeJS.Timeout;

  constructor({ db, onError, tuning }: PostgresEventLogOptions) {
    this.#db = db;
    this.#onError = onError;
    this.#tuning = { ...subscriptionDefaults, ...tuning };
    this.#pruning = setInterval(() => void this.prune().catch(onError), pruneEveryMs).unref();
  }

  async append(events: readonly LogEvent[]): Promise<void> {
    events.forEach(assertEnvelope);
    try {
      if (events.length <= insertRowsMax) await this.appendIn(this.#db, events);
      else await this.#db.transaction().execute((trx) => this.appendIn(trx, events));
    } catch (cause) {
      throw new EventLogUnavailableError('the events could not be appended', { cause });
    }
    for (const topic of new Set(events.map((event) => event.topic))) appended.emit(topic);
  }

  /** Appends within a transaction of the caller's: readers see the events, in order, some time after its commit. */
  async appendIn(trx: QueryExecutorProvider, events: readonly LogEvent[]): Promise<void> {
    for (let start = 0; start < events.length; start += insertRowsMax) {
      const rows = events
        .slice(start, start + insertRowsMax)
        .map((event) => sql`(${partitionOf(event.key, partitionsOf(event.topic))}::int, ${eventValues(event)})`);
      await sql`insert into event_log.events (partition, ${eventColumns}) values ${sql.join(rows)}`.execute(trx);
    }
  }

  async subscribe(options: SubscriptionOptions): Promise<Subscription> {
    const reader = new PostgresSubscription(this.#db, options, this.#tuning, this.#onError);
    await reader.start();
    const wake = (): void => reader.waker.wake();
    for (const topic of options.topics) appended.on(topic, wake);
    const subscription: Subscription = {
      close: async () => {
        for (const topic of options.topics) appended.off(topic, wake);
        this.#subscriptions.delete(subscription);
        await reader.close();
      },
    };
    this.#subscriptions.add(subscription);
    return subscription;
  }

  async ping(): Promise<void> {
    await sql`select 1 from event_log.members limit 1`.execute(this.#db).catch((cause: unknown) => {
      throw new EventLogUnavailableError('the event log does not answer', { cause });
    });
  }

  lag(group: string, topics: readonly string[] = topicsOfGroup(group)): Promise<PartitionLag[]> {
    return postgresLag(this.#db, group, topics);
  }

  /** Removes events past their topic's retention, and groups nobody has been in for longer. @returns events removed */
  async prune(): Promise<number> {
    const { rows } = await sql<{ topic: string }>`select distinct topic from event_log.cursors
      union select topic from unnest(${topicCatalogue.map(({ name }) => name)}::text[]) as topic`.execute(this.#db);
    let removed = 0;
    for (const { topic } of rows) removed += await this.#pruneTopic(topic);
    await sql`delete from event_log.cursors where owner is null and touched_at < now() - make_interval(days => ${dlqRetentionDays}::int)`.execute(
      this.#db,
    );
    return removed;
  }

  async close(): Promise<void> {
    clearInterval(this.#pruning);
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
  }

  async #pruneTopic(topic: string): Promise<number> {
    const days = topicCatalogue.find(({ name }) => name === topic)?.retentionDays ?? dlqRetentionDays;
    for (let removed = 0; ;) {
      const { numAffectedRows } = await sql`
        delete from event_log.events where ctid = any (array(
          select ctid from event_log.events
          where topic = ${topic} and appended_at < now() - make_interval(days => ${days}::int) limit ${pruneRowsMax}
        ))`.execute(this.#db);
      removed += Number(numAffectedRows ?? 0n);
      if (Number(numAffectedRows ?? 0n) < pruneRowsMax) return removed;
    }
  }
}
