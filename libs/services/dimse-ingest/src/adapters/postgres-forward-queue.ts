import type { Database } from '@callosum/database';
import { Inbox } from '@callosum/event-log';
import { type QueryResult, sql } from 'kysely';

import type {
  BatchLimits,
  ClaimLimits,
  ForwardBatch,
  ForwardItem,
  ForwardLease,
  ForwardOrigin,
  ForwardQueue,
  KeptObject,
  PutOff,
  QueueState,
} from '../application/forwarding-ports.js';
import { pauseAfter, type RefusedOutcome, type Standing, triesAfter } from '../domain/forward-outcome.js';
import type { ForwardableInstance, ForwardTarget } from '../domain/forwarding-rule.js';
import type { ForwardingTables } from './forwarding-tables.js';
import { queueStates } from './forward-queue-states.js';
import {
  again,
  batchOf,
  claimRows,
  extend,
  hasPlace,
  idsOf,
  inMs,
  insertRow,
  isDue,
  refusalsOf,
  retriedPage,
  wasWithdrawn,
} from './forward-rows.js';

/** The service's consumer group. */
const consumerGroup = 'dimse-ingest';
/** Rows one statement changes or forgets: short enough to hold nobody up. After a weekend there may be millions. */
const pageRowsMax = 5_000;

/** Queues of forwarding in PostgreSQL: rows are taken with SKIP LOCKED, a lease and a fencing token. */
export class PostgresForwardQueue implements ForwardQueue {
  constructor(
    private readonly database: Database<ForwardingTables>,
    /** Told when something may be due. */
    private readonly onDue: () => void = () => undefined,
  ) {}

  async add(origin: ForwardOrigin, instance: ForwardableInstance, targets: readonly ForwardTarget[]): Promise<number> {
    // In one order everywhere: transactions that add to the same destinations wait for each other, not in a ring.
    const sorted = targets.toSorted((a, b) => (a.destination < b.destination ? -1 : 1));
    const added = await this.database.db.transaction().execute(async (trx) => {
      if (!(await Inbox.once(trx, consumerGroup, { id: origin.eventId }))) return 0;
      let rows = 0;
      for (const { destination, transcode } of sorted) {
        await sql`insert into forward_destination (destination) values (${destination}) on conflict do nothing`.execute(
          trx,
        );
        rows += await insertRow(trx, destination, { ...instance, transcode, traceparent: origin.traceparent });
      }
      return rows;
    });
    if (added > 0) this.onDue();
    return added;
  }

  async resume({ sopInstanceUid, revision }: ForwardableInstance, targets: readonly ForwardTarget[]): Promise<number> {
    const destinations = targets.map(({ destination }) => destination);
    const { numAffectedRows } = await sql`
      update forward_queue set ${again}
      where destination = any(${destinations}::text[]) and sop_instance_uid = ${sopInstanceUid}
        and revision = ${revision} and ${wasWithdrawn}`.execute(this.database.db);
    const resumed = Number(numAffectedRows ?? 0n);
    if (resumed > 0) this.onDue();
    return resumed;
  }

  async due(): Promise<readonly string[]> {
    const { rows } = await sql<{ destination: string }>`
      select destination from forward_destination d
      where d.next_attempt_at <= now() and exists (
        select 1 from forward_queue q where q.destination = d.destination and q.state = 'waiting'
          and q.next_attempt_at <= now() and (q.lease_until is null or q.lease_until < now()))`.execute(
      this.database.db,
    );
    return rows.map(({ destination }) => destination);
  }

  async claim(destination: string, limits: ClaimLimits): Promise<ForwardBatch | undefined> {
    return this.database.db.transaction().execute(async (trx) => {
      const refusals = await refusalsOf(trx, destination);
      if (refusals === undefined || !(await hasPlace(trx, destination, limits.claimsMax))) return undefined;
      const { rows } = await sql<{ fence: number }>`select nextval('forward_claim') as fence`.execute(trx);
      const fence = rows[0]?.fence ?? 0;
      const lease = { destination, fence };
      const batch = batchOf(lease, (await claimRows(lease, limits, refusals).execute(trx)).rows);
      if (batch)
        await sql`
          insert into forward_lease (fence, destination, lease_until)
          values (${fence}, ${destination}, ${inMs(limits.leaseMs)})`.execute(trx);
      return batch;
    });
  }

  async next(lease: ForwardLease, limits: BatchLimits): Promise<ForwardBatch | undefined> {
    const { destination } = lease;
    // Asked again and again by whoever keeps an association: without a lock.
    if (!(await isDue(this.database.db, destination))) return undefined;
    return this.database.db.transaction().execute(async (trx) => {
      const refusals = await refusalsOf(trx, destination);
      if (refusals === undefined || !(await extend(trx, lease, limits.leaseMs))) return undefined;
      return batchOf(lease, (await claimRows(lease, limits, refusals).execute(trx)).rows);
    });
  }

  async release({ fence }: ForwardLease): Promise<void> {
    await sql`delete from forward_lease where fence = ${fence}`.execute(this.database.db);
  }

  async renew(lease: ForwardLease, items: readonly ForwardItem[], leaseMs: number): Promise<boolean> {
    const { fence } = lease;
    const ids = idsOf(items);
    if (!(await extend(this.database.db, lease, leaseMs))) return false;
    await sql`
      update forward_queue set lease_until = ${inMs(leaseMs)}
      where id = any(${ids}) and fence = ${fence} and state = 'waiting'`.execute(this.database.db);
    // What ended meanwhile keeps our fence. After the renewal nobody takes what is still ours.
    const { rows } = await sql`
      select 1 from forward_queue where id = any(${ids}) and fence <> ${fence} limit 1`.execute(this.database.db);
    return rows.length === 0;
  }

  async end(
    { fence }: ForwardBatch,
    { id }: ForwardItem,
    state: 'sent' | 'failed' | 'dropped',
    code?: string,
  ): Promise<void> {
    await sql`
      update forward_queue set state = ${state}, error_code = ${code ?? null}, ended_at = now(), lease_until = null
      where id = ${id} and fence = ${fence} and state = 'waiting'`.execute(this.database.db);
  }

  async follow({ destination, fence }: ForwardBatch, item: ForwardItem, current: KeptObject): Promise<boolean> {
    const { revision, sopClassUid, transferSyntaxUid } = current;
    const added = await this.database.db.transaction().execute(async (trx) => {
      const { rows } = await sql`
        select 1 from forward_queue where id = ${item.id} and fence = ${fence} and state = 'waiting' for update`.execute(
        trx,
      );
      if (rows.length === 0) return 0;
      return insertRow(trx, destination, { ...item, revision, sopClassUid, transferSyntaxUid });
    });
    if (added > 0) this.onDue();
    return added > 0;
  }

  async later({ fence }: ForwardBatch, { id }: ForwardItem, putOff: PutOff): Promise<void> {
    const { code, delayMs, attempted, refusal } = putOff;
    await sql`
      update forward_queue set lease_until = null, next_attempt_at = ${inMs(delayMs)}, error_code = ${code},
        attempts = attempts + ${attempted ? 1 : 0}, tried_at = ${refusal === undefined ? sql`tried_at` : sql`now()`}
      where id = ${id} and fence = ${fence} and state = 'waiting'`.execute(this.database.db);
  }

  async giveBack({ fence }: ForwardBatch, items: readonly ForwardItem[]): Promise<void> {
    await sql`
      update forward_queue set lease_until = null
      where id = any(${idsOf(items)}) and fence = ${fence} and state = 'waiting'`.execute(this.database.db);
  }

  async standing({ destination }: ForwardBatch, { id }: ForwardItem): Promise<Standing> {
    const { rows } = await sql<Standing>`
      select case when q.tried_at is null then 'never' when d.answered_at > q.tried_at then 'passed' else 'again' end
        as since, d.refused
      from forward_queue q, forward_destination d
      where q.id = ${id} and d.destination = ${destination}`.execute(this.database.db);
    return rows[0] ?? { since: 'never', refused: 0 };
  }

  async destinationFailed(destination: string): Promise<void> {
    await sql`update forward_destination set refused = refused + 1 where destination = ${destination}`.execute(
      this.database.db,
    );
  }

  async destinationRefused(destination: string, { code, again }: RefusedOutcome): Promise<number> {
    // It is reached: when it is not, that begins anew.
    const { rows } = await sql<{ visits: number }>`
      update forward_destination set failures = 0, refusals = refusals + 1, refused = refused + ${again ? 0 : 1},
        error_code = ${code}, failed_at = now()
      where destination = ${destination} returning visits`.execute(this.database.db);
    return triesAfter(rows[0]?.visits ?? 0);
  }

  destinationAway(destination: string, code: string, why: 'unreached' | 'refusing'): Promise<number | undefined> {
    const times = why === 'refusing' ? sql.ref('visits') : sql.ref('failures');
    return this.database.db.transaction().execute(async (trx) => {
      // Of several workers that find it away at the same time the first counts.
      const { rows } = await sql<{ times: number }>`
        select ${times} as times from forward_destination where destination = ${destination} and next_attempt_at <= now()
        for update`.execute(trx);
      const [row] = rows;
      if (!row) return undefined;
      const pauseMs = pauseAfter(row.times + 1);
      await sql`
        update forward_destination set ${times} = ${row.times + 1}, error_code = ${code}, failed_at = now(),
          next_attempt_at = ${inMs(pauseMs)} where destination = ${destination}`.execute(trx);
      return pauseMs;
    });
  }

  async destinationAnswered(destination: string): Promise<boolean> {
    const { rows } = await sql<{ away: boolean }>`
      update forward_destination d set failures = 0, refusals = 0, refused = 0, visits = 0, next_attempt_at = now(),
        answered_at = now()
      from (select destination, failures + refusals > 0 as away from forward_destination
        where destination = ${destination} for update) was
      where d.destination = was.destination returning was.away`.execute(this.database.db);
    return rows[0]?.away === true;
  }

  states(): Promise<readonly QueueState[]> {
    return queueStates(this.database.db);
  }

  async retry(destination: string, code?: string): Promise<number> {
    const { db } = this.database;
    // Of before: what fails again meanwhile waits for the next person.
    const { rows } = await sql<{ now: string }>`select now()::text as now`.execute(db);
    const changed = await inPages(() => retriedPage(destination, code, rows[0]?.now ?? '', pageRowsMax).execute(db));
    await sql`
      update forward_destination set next_attempt_at = now(), failures = 0, refusals = 0, refused = 0, visits = 0
      where destination = ${destination}`.execute(db);
    this.onDue();
    return changed;
  }

  async drop(destination: string, state: 'waiting' | 'failed'): Promise<number> {
    const { db } = this.database;
    // Of before: what comes meanwhile was not meant.
    const last = await sql<{ id: number }>`select coalesce(max(id), 0) as id from forward_queue`.execute(db);
    return inPages(() =>
      sql`
        with page as (
          select id from forward_queue where destination = ${destination} and state = ${state}
            and id <= ${last.rows[0]?.id ?? 0} limit ${pageRowsMax} for update
        )
        update forward_queue q set state = 'dropped', ended_at = now(), lease_until = null
        from page where q.id = page.id`.execute(db),
    );
  }

  prune(days: number): Promise<number> {
    const { db } = this.database;
    return inPages(() =>
      sql`
        with page as (
          select id from forward_queue where state in ('sent', 'dropped')
            and ended_at < now() - make_interval(days => ${days}::int) limit ${pageRowsMax} for update
        )
        delete from forward_queue q using page where q.id = page.id`.execute(db),
    );
  }
}

/** One statement after the other, each a transaction of its own, until one finds no full page. @returns rows in all */
async function inPages(page: () => Promise<QueryResult<unknown>>): Promise<number> {
  for (let changed = 0; ;) {
    const { numAffectedRows } = await page();
    changed += Number(numAffectedRows ?? 0n);
    if (Number(numAffectedRows ?? 0n) < pageRowsMax) return changed;
  }
}
