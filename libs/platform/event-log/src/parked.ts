import { errorCode } from '@callosum/kernel';
import { sql, type QueryExecutorProvider } from 'kysely';

import { dlqTopic, hasDlq } from './dlq.js';
import { ReplayRunningError } from './errors.js';
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

/** What one list shows; people page on from there. */
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

  /** Once per event, however often it is delivered. */
  park(group: string, event: LogEvent, code: string): Promise<void> {
    return this.db.transaction().execute(async (trx) => {
      await lockKey(trx, { group, topic: event.topic, key: event.key });
      await this.#insert(trx, group, event, code);
    });
  }

  async list(group: string, topic?: string): Promise<ParkedEvent[]> {
    const { rows } = await sql<EventRow & { consumer_group: string; parked_at: Date }>`
      select * from parked where consumer_group = ${group} and (${topic ?? null}::text is null or topic = ${topic ?? null})
      order by id limit ${listRowsMax}`.execute(this.db);
    return rows.map((row) => ({
      event: toEvent(row),
      group: row.consumer_group,
      errorCode: row.error_code ?? '',
      parkedAt: row.parked_at,
    }));
  }

  /**
   * Gives the key's facts to `handle` again, in order, with their own `ce_id`; each leaves once it was handled.
   * Stops at the first that fails, which stays with its new error code.
   * @throws {ReplayRunningError} when the key is being replayed now
   */
  replay(parked: ParkedKey, handle: EventHandler): Promise<ReplayOutcome> {
    return this.db.connection().execute(async (connection) => {
      if (!(await tryReplayLock(connection, parked))) throw new ReplayRunningError(parked.topic);
      try {
        return await this.#replayAll(parked, handle);
      } finally {
        await sql`select pg_advisory_unlock(hashtext('callosum.replay'), hashtext(${lockName(parked)}))`.execute(
          connection,
        );
      }
    });
  }

  async #replayAll(parked: ParkedKey, handle: EventHandler): Promise<ReplayOutcome> {
    for (let replayed = 0; ; replayed++) {
      const next = await this.#first(parked);
      if (!next) return { replayed, left: 0 };
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

  async #count({ group, topic, key }: ParkedKey): Promise<number> {
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from parked where consumer_group = ${group} and topic = ${topic} and key = ${key}`.execute(
      this.db,
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

const lockName = ({ group, topic, key }: ParkedKey): string => JSON.stringify([group, topic, key]);

async function lockKey(trx: SqlTransaction, parked: ParkedKey): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('callosum.parked'), hashtext(${lockName(parked)}))`.execute(trx);
}

async function tryReplayLock(connection: QueryExecutorProvider, parked: ParkedKey): Promise<boolean> {
  const { rows } = await sql<{ mine: boolean }>`
    select pg_try_advisory_lock(hashtext('callosum.replay'), hashtext(${lockName(parked)})) as mine`.execute(
    connection,
  );
  return rows[0]?.mine ?? false;
}
