import type { Database } from '@callosum/database';
import { Inbox } from '@callosum/event-log';
import { type QueryResult, sql, type Transaction } from 'kysely';

import type {
  ClaimLimits,
  ForwardBatch,
  ForwardItem,
  ForwardOrigin,
  ForwardQueue,
  KeptObject,
  QueueState,
} from '../application/forwarding-ports.js';
import { pauseAfter, withdrawnCode } from '../domain/forward-outcome.js';
import type { ForwardableInstance, ForwardTarget } from '../domain/forwarding-rule.js';
import type { ForwardingTables } from './forwarding-tables.js';
import { queueStates } from './forward-queue-states.js';

/** The service's consumer group. */
const consumerGroup = 'dimse-ingest';
/** Revisions of one instance that go to one destination: two nodes that correct what the other sends end here. */
const revisionsMax = 20;
/** Rows one statement changes or forgets: short enough to hold nobody up. After a weekend there may be millions. */
const pageRowsMax = 5_000;

interface ItemRow {
  id: number;
  study_instance_uid: string;
  sop_instance_uid: string;
  sop_class_uid: string;
  transfer_syntax_uid: string;
  revision: number;
  transcode: boolean;
  attempts: number;
  traceparent: string | null;
  fence: number;
}

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
    const rows = await this.database.db.transaction().execute(async (trx) => {
      // One worker after the other: the count holds until the claim is written. A statement of its own, whose lock the
      // next one's snapshot comes after.
      const ready = await sql`
        select 1 from forward_destination where destination = ${destination} and next_attempt_at <= now()
        for update`.execute(trx);
      return ready.rows.length === 0 ? [] : claimRows(trx, destination, limits);
    });
    const [first] = rows;
    if (!first) return undefined;
    const items = rows.map(itemOf).sort((a, b) => a.id - b.id);
    return { destination, fence: first.fence, items };
  }

  async renew({ fence }: ForwardBatch, items: readonly ForwardItem[], leaseMs: number): Promise<boolean> {
    const ids = idsOf(items);
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

  async later({ fence }: ForwardBatch, { id }: ForwardItem, delayMs: number, code?: string): Promise<void> {
    await sql`
      update forward_queue set lease_until = null, next_attempt_at = ${inMs(delayMs)},
        attempts = attempts + ${code === undefined ? 0 : 1}, error_code = coalesce(${code ?? null}::text, error_code)
      where id = ${id} and fence = ${fence} and state = 'waiting'`.execute(this.database.db);
  }

  async giveBack({ fence }: ForwardBatch, items: readonly ForwardItem[]): Promise<void> {
    await sql`
      update forward_queue set lease_until = null
      where id = any(${idsOf(items)}) and fence = ${fence} and state = 'waiting'`.execute(this.database.db);
  }

  destinationAway(destination: string, code: string): Promise<number | undefined> {
    return this.database.db.transaction().execute(async (trx) => {
      // Of several workers that find it away at the same time the first counts.
      const { rows } = await sql<{ failures: number }>`
        select failures from forward_destination where destination = ${destination} and next_attempt_at <= now()
        for update`.execute(trx);
      const [row] = rows;
      if (!row) return undefined;
      const failures = row.failures + 1;
      const pauseMs = pauseAfter(failures);
      await sql`
        update forward_destination set failures = ${failures}, error_code = ${code}, failed_at = now(),
          next_attempt_at = ${inMs(pauseMs)} where destination = ${destination}`.execute(trx);
      return pauseMs;
    });
  }

  async destinationAnswered(destination: string): Promise<boolean> {
    const { rows } = await sql<{ failures: number }>`
      update forward_destination d set failures = 0, next_attempt_at = now(), answered_at = now()
      from (select destination, failures from forward_destination where destination = ${destination} for update) was
      where d.destination = was.destination returning was.failures`.execute(this.database.db);
    return (rows[0]?.failures ?? 0) > 0;
  }

  states(): Promise<readonly QueueState[]> {
    return queueStates(this.database.db);
  }

  async retry(destination: string, code?: string): Promise<number> {
    const { db } = this.database;
    const withdrawn = code === withdrawnCode ? sql`or (state = 'dropped' and error_code = ${code})` : sql``;
    // Of before: what fails again meanwhile waits for the next person.
    const { rows } = await sql<{ now: string }>`select now()::text as now`.execute(db);
    const changed = await inPages(() =>
      sql`
        with page as (
          select id from forward_queue where destination = ${destination} and ended_at <= ${rows[0]?.now}::timestamptz
            and (${code ?? null}::text is null or error_code = ${code ?? null}) and (state = 'failed' ${withdrawn})
          limit ${pageRowsMax} for update
        )
        update forward_queue q set state = 'waiting', attempts = 0, next_attempt_at = now(), ended_at = null,
          lease_until = null
        from page where q.id = page.id`.execute(db),
    );
    await sql`
      update forward_destination set next_attempt_at = now(), failures = 0
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

/** Takes instances of the study whose turn it is, under a new fence, unless as many claims as may be are held. */
async function claimRows(
  trx: Transaction<ForwardingTables>,
  destination: string,
  { leaseMs, itemsMax, claimsMax }: ClaimLimits,
): Promise<ItemRow[]> {
  const { rows } = await sql<ItemRow>`
    with ready as (
      select 1 where (select count(distinct fence) from forward_queue where destination = ${destination}
        and state = 'waiting' and lease_until is not null and lease_until > now()) < ${claimsMax}
    ), first as (
      select study_instance_uid from forward_queue
      where destination = ${destination} and state = 'waiting' and next_attempt_at <= now()
        and (lease_until is null or lease_until < now()) and exists (select from ready)
      order by next_attempt_at, id limit 1 for update skip locked
    ), picked as (
      select q.id from forward_queue q join first using (study_instance_uid)
      where q.destination = ${destination} and q.state = 'waiting' and q.next_attempt_at <= now()
        and (q.lease_until is null or q.lease_until < now())
      order by q.id limit ${itemsMax} for update of q skip locked
    ), token as (select nextval('forward_claim') as fence)
    update forward_queue q set lease_until = ${inMs(leaseMs)}, fence = token.fence
    from picked, token where q.id = picked.id
    returning q.id, q.study_instance_uid, q.sop_instance_uid, q.sop_class_uid, q.transfer_syntax_uid, q.revision,
      q.transcode, q.attempts, q.traceparent, q.fence`.execute(trx);
  return rows;
}

/** @returns 0 where the destination has this revision, or waits for it */
async function insertRow(
  trx: Transaction<ForwardingTables>,
  destination: string,
  row: Omit<ForwardItem, 'id' | 'attempts'>,
): Promise<number> {
  const { numAffectedRows } = await sql`
    with known as (
      select count(*) >= ${revisionsMax} as "tooMany" from forward_queue
      where destination = ${destination} and sop_instance_uid = ${row.sopInstanceUid}
    )
    insert into forward_queue (destination, study_instance_uid, sop_instance_uid, sop_class_uid, transfer_syntax_uid,
      revision, transcode, traceparent, state, error_code, ended_at)
    select ${destination}, ${row.studyInstanceUid}, ${row.sopInstanceUid}, ${row.sopClassUid}, ${row.transferSyntaxUid},
      ${row.revision}, ${row.transcode}, ${row.traceparent ?? null},
      case when "tooMany" then 'failed' else 'waiting' end,
      case when "tooMany" then 'dimse-ingest.forwarded-too-often' end,
      case when "tooMany" then now() end
    from known on conflict (destination, sop_instance_uid, revision) do update
    set state = 'waiting', error_code = null, ended_at = null, attempts = 0, next_attempt_at = now(), lease_until = null
    where forward_queue.state = 'dropped' and forward_queue.error_code = ${withdrawnCode}`.execute(trx);
  return Number(numAffectedRows ?? 0n);
}

const inMs = (ms: number) => sql<Date>`now() + make_interval(secs => ${ms / 1000})`;
const idsOf = (items: readonly ForwardItem[]) => sql`${items.map(({ id }) => id)}::bigint[]`;

const itemOf = (row: ItemRow): ForwardItem => ({
  id: row.id,
  studyInstanceUid: row.study_instance_uid,
  sopInstanceUid: row.sop_instance_uid,
  sopClassUid: row.sop_class_uid,
  transferSyntaxUid: row.transfer_syntax_uid,
  revision: row.revision,
  transcode: row.transcode,
  attempts: row.attempts,
  traceparent: row.traceparent ?? undefined,
});
