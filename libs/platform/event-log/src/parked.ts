import { errorCode } from '@callosum/kernel';
import { sql, type QueryExecutorProvider } from 'kysely';

import { dlqRetentionDays, dlqTopic, hasDlq } from './dlq.js';
import { NothingParkedError, ReplayRunningError } from './errors.js';
import { fitsEnvelope } from './envelope.js';
import type { EventHandler } from './event-log.js';
import type { LogEvent } from './event.js';
import type { PostgresOutbox } from './outbox.js';
import { eventColumns, eventValues, toEvent } from './rows.js';
import type { EventRow, SqlDatabase, SqlTransaction } from './sql.js';

export interface ParkedKey {
  readonly group: string;
  readonly topic: string;
  readonly key: string;
}

export interface ParkedEvent {
  readonly event: LogEvent;
  readonly group: string;
  readonly errorCode: string;
  readonly parkedAt: Date;
}

export interface ReplayOutcome {
  readonly replayed: number;
  /** Facts of the key that stay parked, the failed one first. */
  readonly left: number;
  /** Why the replay stopped. */
  readonly errorCode?: string;
}

/** Which keys to list. */
export interface ParkedKeysQuery {
  readonly topic?: string;
  readonly after?: string;
  readonly limit: number;
}

export interface ParkedKeySummary extends ParkedKey {
  readonly items: number;
  /** Of the first of them. */
  readonly errorCode: string;
  readonly parkedAt: Date;
  /** Where a list goes on. */
  readonly position: string;
}

export interface DropOrder {
  /** Only this one; every fact of the key without. */
  readonly eventId?: string;
  readonly droppedBy: string;
  readonly reason: string;
}

interface ParkedRow extends EventRow {
  readonly consumer_group: string;
  readonly parked_at: Date;
}

/** What one list shows. */
const listRowsMax = 500;

/**
 * Facts that failed for good, in the service's own schema. Facts of one (group, topic, key) leave in the order
 * they came. Parking and taking a key's last row are done under one lock, so no fact slips in behind a replay.
 */
export class ParkedStore {
  constructor(
    private readonly db: SqlDatabase,
    private readonly outbox: PostgresOutbox,
  ) {}

  async holds({ group, topic, key }: ParkedKey, on: QueryExecutorProvider = this.db): Promise<boolean> {
    const { rows } = await sql`
      select 1 from parked where consumer_group = ${group} and topic = ${topic} and key = ${key} limit 1`.execute(on);
    return rows.length > 0;
  }

  /** Parks the event if its key still has parked facts. @returns false when it has none: handle the event */
  parkBehind(group: string, event: LogEvent, code: string): Promise<boolean> {
    return this.db.transaction().execute(async (trx) => {
      await lockKey(trx, { group, topic: event.topic, key: event.key });
      if (!(await this.holds({ group, topic: event.topic, key: event.key }, trx))) return false;
      await this.#insert(trx, group, event, code);
      return true;
    });
  }

  /**
   * Once per event, however often it is delivered. An event whose effect is committed is not parked: a member that
   * lost the partition and did not know it yet would set aside what another one has done, and replay could do nothing.
   * @returns false when the group's inbox holds it
   */
  park(group: string, event: LogEvent, code: string): Promise<boolean> {
    return this.db.transaction().execute(async (trx) => {
      await lockKey(trx, { group, topic: event.topic, key: event.key });
      const { rows } = await sql`
        select 1 from inbox where consumer_group = ${group} and event_id = ${event.id}`.execute(trx);
      if (rows.length > 0) return false;
      await this.#insert(trx, group, event, code);
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
    const { rows } = await sql<ParkedKeySummary>`
      select k.topic, k.key, k.items, k.position::text as position, f.error_code as "errorCode", f.parked_at as "parkedAt",
        f.consumer_group as group
      from (
        select topic, key, count(*)::int as items, min(id) as position from parked
        where consumer_group = ${group} and (${topic ?? null}::text is null or topic = ${topic ?? null})
        group by topic, key having min(id) > ${after ?? '0'}::bigint
        order by min(id) limit ${limit}
      ) as k join parked as f on f.id = k.position order by k.position`.execute(this.db);
    return [...rows];
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
   * Stops at the first that fails, which stays with its new error code, and after `eventsMax` of them.
   * @throws {ReplayRunningError} when the key is being replayed or dropped now
   */
  replay(parked: ParkedKey, handle: EventHandler, eventsMax = Number.MAX_SAFE_INTEGER): Promise<ReplayOutcome> {
    return this.db.connection().execute(async (connection) => {
      if (!(await tryReplayLock(connection, parked))) throw new ReplayRunningError(parked.topic);
      try {
        return await this.#replayAll(parked, handle, eventsMax);
      } finally {
        await sql`select pg_advisory_unlock(hashtext('callosum.replay'), hashtext(${lockName(parked)}))`.execute(
          connection,
        );
      }
    });
  }

  /**
   * Gives facts of a key up for good: all of them, or the one of `eventId`. Each becomes a row of `dropped` with who and
   * why, kept as long as a dead letter, and is in the inbox as if it had been handled: given again (a rewound group, a log
   * that lost its data), it stays given up. When none of the key is left, its later facts are handled again.
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
      await sql`delete from dropped where dropped_at < now() - make_interval(days => ${dlqRetentionDays}::int)`.execute(
        trx,
      );
      return { dropped, left: await this.#count(parked, trx) };
    });
  }

  async #replayAll(parked: ParkedKey, handle: EventHandler, eventsMax: number): Promise<ReplayOutcome> {
    for (let replayed = 0; ; replayed++) {
      const next = await this.#first(parked);
      if (!next) return { replayed, left: 0 };
      if (replayed >= eventsMax) return { replayed, left: await this.#count(parked) };
      const { error_code: _parkedWith, ...envelope } = next;
      try {
        await handle(toEvent({ ...envelope, error_code: null }));
      } catch (error) {
        const code = errorCode(error);
        await sql`update parked set error_code = ${code} where id = ${next.id}`.execute(this.db);
        return { replayed, left: await this.#count(parked), errorCode: code };
      }
      await this.db.transaction().execute(async (trx) => {
        await lockKey(trx, parked);
        await sql`delete from parked where id = ${next.id}`.execute(trx);
      });
    }
  }

  async #first({ group, topic, key }: ParkedKey): Promise<(EventRow & { id: number }) | undefined> {
    const { rows } = await sql<EventRow & { id: number }>`
      select * from parked where consumer_group = ${group} and topic = ${topic} and key = ${key} order by id limit 1`.execute(
      this.db,
    );
    return rows[0];
  }

  async #count({ group, topic, key }: ParkedKey, on: QueryExecutorProvider = this.db): Promise<number> {
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from parked where consumer_group = ${group} and topic = ${topic} and key = ${key}`.execute(
      on,
    );
    return rows[0]?.count ?? 0;
  }

  async #insert(trx: SqlTransaction, group: string, event: LogEvent, code: string): Promise<void> {
    const { numAffectedRows } = await sql`
      insert into parked (consumer_group, ${eventColumns}) values (${group}, ${eventValues({ ...event, errorCode: code })})
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
});

const lockName = ({ group, topic, key }: ParkedKey): string => JSON.stringify([group, topic, key]);

async function lockKey(trx: SqlTransaction, parked: ParkedKey): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('callosum.parked'), hashtext(${lockName(parked)}))`.execute(trx);
}

async function tryReplayLock(
  connection: QueryExecutorProvider,
  parked: ParkedKey,
  until: 'session' | 'transaction' = 'session',
): Promise<boolean> {
  const lock = sql.raw(until === 'session' ? 'pg_try_advisory_lock' : 'pg_try_advisory_xact_lock');
  const { rows } = await sql<{ mine: boolean }>`
    select ${lock}(hashtext('callosum.replay'), hashtext(${lockName(parked)})) as mine`.execute(connection);
  return rows[0]?.mine ?? false;
}
