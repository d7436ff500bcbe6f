import { type Kysely, sql, type Transaction } from 'kysely';

import type { BatchLimits, ForwardBatch, ForwardItem, ForwardLease } from '../application/forwarding-ports.js';
import { placeAfter, withdrawnCode } from '../domain/forward-outcome.js';
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
 * the next one's snapshot comes after. @returns how often in a row it refused what it got; undefined while it is left alone
 */
export async function refusalsOf(trx: Transaction<ForwardingTables>, destination: string): Promise<number | undefined> {
  const { rows } = await sql<{ refusals: number }>`
    select refusals from forward_destination where destination = ${destination} and next_attempt_at <= now()
    for update`.execute(trx);
  return rows[0]?.refusals;
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
  const { rows } = await sql`select 1 from forward_queue where ${isDueAt(destination)} limit 1`.execute(db);
  return rows.length > 0;
}

const isDueAt = (destination: string) => sql`destination = ${destination} and state = 'waiting'
  and next_attempt_at <= now() and (lease_until is null or lease_until < now())`;

/** In which order rows become due: `forward_due`. */
const longestDue = sql`next_attempt_at, id`;
const shortestDue = sql`next_attempt_at desc, id desc`;

/**
 * The row that a destination which refuses instances is tried with: one that it never refused, at a place that is another
 * each time; where there is none, the one that has been due longest.
 */
function searchedRow(destination: string, refusals: number) {
  const never = sql`from forward_queue where ${isDueAt(destination)} and tried_at is null`;
  const place = placeAfter(refusals);
  const found =
    place === 'last-study' || place === 1
      ? sql`select id ${never} order by ${shortestDue} limit 1`
      : sql`select id ${never} and next_attempt_at >= (
          select oldest + (newest - oldest) * ${place}::float8 from (select
            (select next_attempt_at ${never} order by ${longestDue} limit 1) as oldest,
            (select next_attempt_at ${never} order by ${shortestDue} limit 1) as newest) as span
        ) order by ${longestDue} limit 1`;
  const otherwise = sql`select id from forward_queue where ${isDueAt(destination)} order by ${longestDue} limit 1`;
  // Of the last study all that was never refused, from its beginning on; else what follows the row in its study.
  const from = place === 'last-study' ? sql`case when tried_at is null then 0 else id end` : sql`id`;
  return sql`
    select study_instance_uid, tried_at is null as never, ${from} as from_id from forward_queue
    where id = coalesce((${found}), (${otherwise})) and ${isDueAt(destination)} for update skip locked`;
}

/** Takes instances of the study whose turn it is. What was refused and what was not are never in one batch. */
export const claimRows = (
  { destination, fence }: ForwardLease,
  { leaseMs, itemsMax }: BatchLimits,
  refusals: number,
) => sql<ItemRow>`
  with first as (${
    refusals > 0
      ? searchedRow(destination, refusals)
      : sql`
    select study_instance_uid, tried_at is null as never, 0 as from_id from forward_queue
    where ${isDueAt(destination)} order by ${longestDue} limit 1 for update skip locked`
  }), picked as (
    select id from forward_queue where ${isDueAt(destination)}
      and study_instance_uid = (select study_instance_uid from first) and id >= (select from_id from first)
      and (tried_at is null) = (select never from first)
    order by id limit ${itemsMax} for update skip locked
  )
  update forward_queue q set lease_until = ${inMs(leaseMs)}, fence = ${fence}
  from picked where q.id = picked.id
  returning q.id, q.study_instance_uid, q.sop_instance_uid, q.sop_class_uid, q.transfer_syntax_uid, q.revision,
    q.transcode, q.attempts, q.traceparent`;

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
