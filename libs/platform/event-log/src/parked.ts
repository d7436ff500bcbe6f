import { errorCode } from '@callosum/kernel';
import { sql, type QueryExecutorProvider, type RawBuilder } from 'kysely';

import { defaultRetryPauses, isTransient, retryPauseMs, type RetryPauses } from './backoff.js';
import { dlqRetentionDays, dlqTopic, hasDlq } from './dlq.js';
import { behindParkedCode, NothingParkedError, ReplayRunningError } from './errors.js';
import { fitsEnvelope } from './envelope.js';
import type { EventHandler, EventPlace } from './event-log.js';
import type { LogEvent } from './event.js';
import type { PostgresOutbox } from './outbox.js';
import { lockKey, tryReplayLock, unlockReplay } from './parked-locks.js';
import type {
  DropOrder,
  DueKey,
  ParkedBehind,
  ParkedEvent,
  ParkedKey,
  ParkedKeysQuery,
  ParkedKeySummary,
  ReplayOptions,
  ReplayOutcome,
} from './parked-types.js';
import { eventColumns, eventValues, toEvent } from './rows.js';
import type { EventRow, SqlDatabase, SqlTransaction } from './sql.js';

export type * from './parked-types.js';

interface ParkedRow extends EventRow {
  readonly consumer_group: string;
  readonly parked_at: Date;
  readonly retry_at: Date | null;
  readonly retries: number;
}

type Head = ParkedRow & { readonly id: number; readonly due: boolean };

/** What one list shows. */
const listRowsMax = 500;

/**
 * Facts that failed for good, in the service's own schema. Facts of one (group, topic, key) leave in the order
 * they came. Parking and taking a key's last row are done under one lock, so no fact slips in behind a replay.
 * The first fact of a key tells what becomes of all: with a `retry_at` the service tries it again by itself then, without
 * one a person must. A fact that has come first because the one before it was handled or given up has not failed itself,
 * and gets a time too: a process that dies between two facts of a replay leaves nothing that waits for nobody.
 */
export class ParkedStore {
  constructor(
    private readonly db: SqlDatabase,
    private readonly outbox: PostgresOutbox,
    private readonly pauses: RetryPauses = defaultRetryPauses,
  ) {}

  async holds({ group, topic, key }: ParkedKey, on: QueryExecutorProvider = this.db): Promise<boolean> {
    const { rows } = await sql`
      select 1 from parked where consumer_group = ${group} and topic = ${topic} and key = ${key} limit 1`.execute(on);
    return rows.length > 0;
  }

  /** Those of these keys that have parked facts. */
  async held(group: string, places: readonly EventPlace[]): Promise<readonly EventPlace[]> {
    const { rows } = await sql<EventPlace>`
      select distinct topic, key from parked where consumer_group = ${group} and (topic, key) in (
        select topic, key from unnest(
          ${places.map(({ topic }) => topic)}::text[], ${places.map(({ key }) => key)}::text[]) as fetched (topic, key)
      )`.execute(this.db);
    return rows;
  }

  /** Parks the event if its key still has parked facts. @returns undefined when it has none: handle the event */
  parkBehind(group: string, event: LogEvent, code: string): Promise<ParkedBehind | undefined> {
    return this.db.transaction().execute(async (trx) => {
      await lockKey(trx, { group, topic: event.topic, key: event.key });
      const head = await this.#first({ group, topic: event.topic, key: event.key }, trx);
      if (!head) return undefined;
      await this.#insert(trx, group, event, code);
      return { retried: head.retry_at !== null };
    });
  }

  /**
   * Once per event, however often it is delivered. An event whose effect is committed is not parked: a member that
   * lost the partition and did not know it yet would set aside what another one has done, and replay could do nothing.
   * @param transient something was away: the service tries it again by itself
   * @returns false when the group's inbox holds it
   */
  park(group: string, event: LogEvent, code: string, transient = false): Promise<boolean> {
    return this.db.transaction().execute(async (trx) => {
      await lockKey(trx, { group, topic: event.topic, key: event.key });
      const { rows } = await sql`
        select 1 from inbox where consumer_group = ${group} and event_id = ${event.id}`.execute(trx);
      if (rows.length > 0) return false;
      await this.#insert(trx, group, event, code, transient ? retryPauseMs(this.pauses, 0) : undefined);
      return true;
    });
  }

  /** The first 500 of a group. */
  async list(group: string, topic?: string): Promise<ParkedEvent[]> {
    const { rows } = await sql<ParkedRow>`
      select * from parked where consumer_group = ${group} and (${topic ?? null}::text is null or topic = ${topic ?? null})
      order by id limit ${listRowsMax}`.execute(this.db);
    return rows.map(toParked);
  }

  /** Keys with parked facts, the longest parked first; `after` is the last one's `position`. */
  async keys(group: string, { topic, after, limit }: ParkedKeysQuery): Promise<ParkedKeySummary[]> {
    const { rows } = await sql<ParkedKeySummary & { nextAttemptAt: Date | null }>`
      select k.topic, k.key, k.items, k.position::text as position, f.error_code as "errorCode", f.parked_at as "parkedAt",
        f.retry_at as "nextAttemptAt", f.retries, f.consumer_group as group
      from (
        select topic, key, count(*)::int as items, min(id) as position from parked
        where consumer_group = ${group} and (${topic ?? null}::text is null or topic = ${topic ?? null})
        group by topic, key having min(id) > ${after ?? '0'}::bigint
        order by min(id) limit ${limit}
      ) as k join parked as f on f.id = k.position order by k.position`.execute(this.db);
    return rows.map(({ nextAttemptAt, ...key }) => ({ ...key, ...(nextAttemptAt ? { nextAttemptAt } : {}) }));
  }

  /**
   * Keys whose first fact is to be tried again now, the one whose time came first before others.
   * @param except codes to leave out: those of keys that lie there with one
   */
  async due(group: string, limit: number, except: readonly string[]): Promise<DueKey[]> {
    const { rows } = await sql<DueKey>`
      select topic, key, coalesce(error_code, '') as "errorCode" from parked as first
      where consumer_group = ${group} and retry_at <= now() and coalesce(error_code, '') <> all(${except}::text[])
        and not exists (
        select 1 from parked as earlier where earlier.consumer_group = first.consumer_group
          and earlier.topic = first.topic and earlier.key = first.key and earlier.id < first.id)
      order by retry_at, id limit ${limit}`.execute(this.db);
    return [...rows];
  }

  /** What failed with this code was away and answers again: everything that waits for the same is tried now, before others. */
  async hasten(group: string, code: string): Promise<void> {
    await sql`
      update parked set retry_at = least(now(), (
        select min(retry_at) - interval '1 microsecond' from parked where consumer_group = ${group}))
      where consumer_group = ${group} and error_code = ${code} and retry_at is not null`.execute(this.db);
  }

  /** The key's facts in the order a replay takes them, the first `limit`, and how many there are. */
  async ofKey(parked: ParkedKey, limit: number): Promise<{ items: ParkedEvent[]; total: number }> {
    const { group, topic, key } = parked;
    const { rows } = await sql<ParkedRow>`
      select * from parked where consumer_group = ${group} and topic = ${topic} and key = ${key}
      order by id limit ${limit}`.execute(this.db);
    return { items: rows.map(toParked), total: await this.#count(parked) };
  }

  /**
   * Gives the key's facts to `handle` again, in order, with their own `ce_id`; each leaves once it was handled.
   * Stops at the first that fails, which stays with its new error code and, if that is transient, the time of the next
   * attempt, and after `eventsMax` of them.
   * @throws {ReplayRunningError} when the key is being replayed or dropped now
   */
  replay(parked: ParkedKey, handle: EventHandler, options: ReplayOptions = {}): Promise<ReplayOutcome> {
    return this.db.connection().execute(async (connection) => {
      if (!(await tryReplayLock(connection, parked))) throw new ReplayRunningError(parked.topic);
      try {
        return await this.#replayAll(parked, handle, options);
      } finally {
        await unlockReplay(connection, parked);
      }
    });
  }

  /**
   * Gives facts of a key up for good: all of them, or the one of `eventId`. Each becomes a row of `dropped` with who and
   * why, kept as long as a dead letter, and is in the inbox as if it had been handled: given again (a rewound group, a log
   * that lost its data), it stays given up. When none of the key is left, its later facts are handled again;
   * those that are left and waited behind what was given up are tried soon.
   * @throws {ReplayRunningError} when the key is being replayed or dropped now
   * @throws {NothingParkedError}
   */
  drop(parked: ParkedKey, { eventId, droppedBy, reason }: DropOrder): Promise<{ dropped: number; left: number }> {
    const { group, topic, key } = parked;
    return this.db.transaction().execute(async (trx) => {
      if (!(await tryReplayLock(trx, parked, 'transaction'))) throw new ReplayRunningError(topic);
      await lockKey(trx, parked);
      const { numAffectedRows } = await sql`
        with gone as (
          delete from parked where consumer_group = ${group} and topic = ${topic} and key = ${key}
            and (${eventId ?? null}::text is null or event_id = ${eventId ?? null})
          returning *
        ), given_up as (
          insert into inbox (consumer_group, event_id) select consumer_group, event_id from gone on conflict do nothing
        )
        insert into dropped (consumer_group, ${eventColumns}, parked_at, dropped_by, reason)
        select consumer_group, ${eventColumns}, parked_at, ${droppedBy}, ${reason} from gone order by id`.execute(trx);
      const dropped = Number(numAffectedRows ?? 0n);
      if (dropped === 0) throw new NothingParkedError(topic);
      await this.#handOn(trx, parked, this.pauses.initialMs);
      await sql`delete from dropped where dropped_at < now() - make_interval(days => ${dlqRetentionDays}::int)`.execute(
        trx,
      );
      return { dropped, left: await this.#count(parked, trx) };
    });
  }

  async #replayAll(parked: ParkedKey, handle: EventHandler, options: ReplayOptions): Promise<ReplayOutcome> {
    const { eventsMax = Number.MAX_SAFE_INTEGER, onlyDue = false, signal } = options;
    for (let replayed = 0; ; replayed++) {
      const next = await this.#first(parked);
      if (!next) return { replayed, left: 0 };
      if (replayed >= eventsMax || signal?.aborted || (onlyDue && !next.due))
        return { replayed, left: await this.#count(parked) };
      try {
        await handle(toEvent({ ...next, error_code: null }));
      } catch (error) {
        const failed = await this.#failedAgain(next, error);
        return { replayed, left: await this.#count(parked), ...failed };
      }
      await this.db.transaction().execute(async (trx) => {
        await lockKey(trx, parked);
        await sql`delete from parked where id = ${next.id}`.execute(trx);
        // A person's own replay is given the time to go on with it.
        await this.#handOn(trx, parked, onlyDue ? 0 : this.pauses.initialMs);
      });
    }
  }

  /** Whoever replayed it: only what was away is waited for, and longer each time. */
  async #failedAgain({ id, retries }: Head, error: unknown): Promise<Omit<ReplayOutcome, 'replayed' | 'left'>> {
    const code = errorCode(error);
    const retried = isTransient(error);
    const failed = retries + (retried ? 1 : 0);
    const pauseMs = retried ? retryPauseMs(this.pauses, failed) : undefined;
    await sql`update parked set error_code = ${code}, retries = ${failed}, retry_at = ${inMs(pauseMs)}
      where id = ${id}`.execute(this.db);
    return { errorCode: code, ...(retried ? { retried } : {}) };
  }

  /** The key's first fact that only waited behind another is tried in `pauseMs` at the latest. */
  async #handOn(trx: SqlTransaction, { group, topic, key }: ParkedKey, pauseMs: number): Promise<void> {
    await sql`update parked set retry_at = ${inMs(pauseMs)}
      where retry_at is null and error_code = ${behindParkedCode} and id = (
        select min(id) from parked where consumer_group = ${group} and topic = ${topic} and key = ${key})`.execute(trx);
  }

  async #first({ group, topic, key }: ParkedKey, on: QueryExecutorProvider = this.db): Promise<Head | undefined> {
    const { rows } = await sql<Head>`
      select *, coalesce(retry_at <= now(), false) as due from parked
      where consumer_group = ${group} and topic = ${topic} and key = ${key} order by id limit 1`.execute(on);
    return rows[0];
  }

  async #count({ group, topic, key }: ParkedKey, on: QueryExecutorProvider = this.db): Promise<number> {
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from parked where consumer_group = ${group} and topic = ${topic} and key = ${key}`.execute(
      on,
    );
    return rows[0]?.count ?? 0;
  }

  async #insert(trx: SqlTransaction, group: string, event: LogEvent, code: string, retryMs?: number): Promise<void> {
    const { numAffectedRows } = await sql`
      insert into parked (consumer_group, ${eventColumns}, retry_at)
      values (${group}, ${eventValues({ ...event, errorCode: code })}, ${inMs(retryMs)})
      on conflict do nothing`.execute(trx);
    if (numAffectedRows !== 1n || !hasDlq(event.topic, group)) return;
    const mirror = { ...event, topic: dlqTopic(event.topic, group), errorCode: code };
    // What the log would refuse must not stand in the outbox for ever; the parked row holds it.
    if (fitsEnvelope(mirror)) await this.outbox.forward(trx, mirror);
  }
}

const toParked = (row: ParkedRow): ParkedEvent => ({
  event: toEvent(row),
  group: row.consumer_group,
  errorCode: row.error_code ?? '',
  parkedAt: row.parked_at,
  ...(row.retry_at ? { nextAttemptAt: row.retry_at } : {}),
  retries: row.retries,
});

/** By the database's clock, which all replicas share; null: never. */
const inMs = (pauseMs: number | undefined): RawBuilder<unknown> =>
  pauseMs === undefined ? sql`null` : sql`now() + make_interval(secs => ${pauseMs / 1000}::float8)`;
