import { type Kysely, sql, type Transaction } from 'kysely';

import type { BatchLimits, ForwardBatch, ForwardItem, ForwardLease } from '../application/forwarding-ports.js';
import { withdrawnCode } from '../domain/forward-outcome.js';
import type { ForwardingTables } from './forwarding-tables.js';

// Statements on rows of forwarding: places at destinations, and instances that wait for them.

/** Revisions of one instance that go to one destination: two nodes that correct what the other sends end here. */
const revisionsMax = 20;

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
}

/**
 * One worker after the other: what is counted then holds until the claim is written. A statement of its own, whose lock
 * the next one's snapshot comes after. @returns false while the destination is left alone
 */
export async function isReady(trx: Transaction<ForwardingTables>, destination: string): Promise<boolean> {
  const { rows } = await sql`
    select 1 from forward_destination where destination = ${destination} and next_attempt_at <= now()
    for update`.execute(trx);
  return rows.length > 0;
}

/** Whether one more may be at the destination. The version before leases instances alone. */
export async function hasPlace(
  trx: Transaction<ForwardingTables>,
  destination: string,
  claimsMax: number,
): Promise<boolean> {
  await sql`delete from forward_lease where destination = ${destination} and lease_until < now()`.execute(trx);
  const { rows } = await sql<{ held: number }>`
    select count(*)::float8 as held from (
      select fence from forward_lease where destination = ${destination}
      union select fence from forward_queue where destination = ${destination}
        and state = 'waiting' and lease_until is not null and lease_until > now()
    ) as holders`.execute(trx);
  return (rows[0]?.held ?? 0) < claimsMax;
}

/** @returns false where the place is another's by now */
export async function extend(db: Kysely<ForwardingTables>, { fence }: ForwardLease, leaseMs: number): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update forward_lease set lease_until = ${inMs(leaseMs)} where fence = ${fence}`.execute(db);
  return numAffectedRows === 1n;
}

export async function isDue(db: Kysely<ForwardingTables>, destination: string): Promise<boolean> {
  const { rows } = await sql`
    select 1 from forward_queue where destination = ${destination} and state = 'waiting'
      and next_attempt_at <= now() and (lease_until is null or lease_until < now()) limit 1`.execute(db);
  return rows.length > 0;
}

/** Takes instances of the study whose turn it is. */
export async function claimRows(
  trx: Transaction<ForwardingTables>,
  { destination, fence }: ForwardLease,
  { leaseMs, itemsMax }: BatchLimits,
): Promise<ItemRow[]> {
  const { rows } = await sql<ItemRow>`
    with first as (
      select study_instance_uid from forward_queue
      where destination = ${destination} and state = 'waiting' and next_attempt_at <= now()
        and (lease_until is null or lease_until < now())
      order by next_attempt_at, id limit 1 for update skip locked
    ), picked as (
      select q.id from forward_queue q join first using (study_instance_uid)
      where q.destination = ${destination} and q.state = 'waiting' and q.next_attempt_at <= now()
        and (q.lease_until is null or q.lease_until < now())
      order by q.id limit ${itemsMax} for update of q skip locked
    )
    update forward_queue q set lease_until = ${inMs(leaseMs)}, fence = ${fence}
    from picked where q.id = picked.id
    returning q.id, q.study_instance_uid, q.sop_instance_uid, q.sop_class_uid, q.transfer_syntax_uid, q.revision,
      q.transcode, q.attempts, q.traceparent`.execute(trx);
  return rows;
}

/** As `forward_withdrawn` has it. */
export const wasWithdrawn = sql`state = 'dropped' and error_code = ${sql.lit(withdrawnCode)}`;

/** What waits as if it had just been queued. */
export const again = sql`state = 'waiting', error_code = null, attempts = 0, tried_at = null, next_attempt_at = now(),
  ended_at = null, lease_until = null`;

/**
 * Lets failed instances wait again, at most a page of them; those that were withdrawn by their code alone.
 * @param before what ended later is not meant
 */
export function retriedPage(destination: string, code: string | undefined, before: string, rowsMax: number) {
  const failed = code === undefined ? sql`state = 'failed'` : sql`state = 'failed' and error_code = ${code}`;
  return sql`
    with page as (
      select id from forward_queue where destination = ${destination} and ended_at <= ${before}::timestamptz
        and ${code === withdrawnCode ? wasWithdrawn : failed}
      limit ${rowsMax} for update
    )
    update forward_queue q set ${again} from page where q.id = page.id`;
}

/** @returns 0 where the destination has this revision, or waits for it */
export async function insertRow(
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
    from known on conflict (destination, sop_instance_uid, revision) do update set ${again}
    where forward_queue.state = 'dropped' and forward_queue.error_code = ${withdrawnCode}`.execute(trx);
  return Number(numAffectedRows ?? 0n);
}

export const inMs = (ms: number) => sql<Date>`now() + make_interval(secs => ${ms / 1000})`;
export const idsOf = (items: readonly ForwardItem[]) => sql`${items.map(({ id }) => id)}::bigint[]`;

export const batchOf = ({ destination, fence }: ForwardLease, rows: readonly ItemRow[]): ForwardBatch | undefined =>
  rows.length === 0 ? undefined : { destination, fence, items: rows.map(itemOf).sort((a, b) => a.id - b.id) };

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
