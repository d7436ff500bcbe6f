import type { Outbox } from '@callosum/event-log';
import { newId } from '@callosum/kernel';
import { type Kysely, type QueryExecutorProvider, type RawBuilder, sql, type Transaction } from 'kysely';

import type { LedgerEntry } from './pending-row.js';
import type { ArchiveTables } from './tables.js';
import { tellTombstone } from './tombstone-facts.js';
import { ownStudy } from './tombstone-lock.js';
import {
  isWithdrawn,
  othersAdmitAsRecorded,
  othersEraseAt,
  othersSaidAt,
  rejectionEraseAt,
  rejectionSaidAt,
  type TombstoneReason,
} from './tombstone-tables.js';

/** Instances of one transaction. */
const batchInstances = 200;
/** Rows read at once of what a crash left. */
const leftAtOnce = 200;

export interface DueStudy {
  readonly study: string;
  /** When the first of it was due. */
  readonly eraseAt: Date;
}

/** What is due of a study: what tombstones name, and the rows of it that there are. */
export interface DueRows {
  readonly instances: readonly string[];
  readonly entries: readonly LedgerEntry[];
}

export type ErasedRow = Pick<LedgerEntry, 'id' | 'blob_key' | 'study_instance_uid'>;

export interface ErasureParts {
  readonly db: Kysely<ArchiveTables>;
  readonly outbox: Outbox;
  readonly site: string;
}

/**
 * The study that is due for longest and that no legal hold keeps.
 * @param from as the last answer of this run said: what is held since long before is passed over once, not each time
 */
export async function nextDueStudy(
  db: QueryExecutorProvider,
  site: string,
  { from, now, leftOut }: { readonly from: Date | undefined; readonly now: Date; readonly leftOut: readonly string[] },
): Promise<DueStudy | undefined> {
  const { rows } = await sql<DueStudy>`
    select w.study_instance_uid as study, w.erase_at as "eraseAt" from withheld_instance w
    where w.site = ${site} and w.withheld and not w.erased and w.erase_at is not null
      and w.erase_at >= ${from ?? new Date(0)} and w.erase_at <= ${now}
      and w.study_instance_uid <> all(${[...leftOut]}::text[])
      and not exists (select 1 from legal_hold h
        where h.site = w.site and h.study_instance_uid = w.study_instance_uid)
    order by w.erase_at limit 1`.execute(db);
  return rows[0];
}

/** When that was decided. */
const decidedAt = (sequence: RawBuilder<number>): RawBuilder<Date> => sql<Date>`(select t.recorded_at from tombstone t
  where t.site = w.site and t.study_instance_uid = w.study_instance_uid and t.sequence = ${sequence})`;

/**
 * Whether the tombstones of `w` let go of the row `i` by now. What may come again and came after it was decided, nobody
 * let go of: a backup that did not know of the decision took it for new, or said of it that it is kept. Asked of each word
 * by itself: a note that keeps what retention let go of does not make it retention's, nor does a note that speaks later
 * take at retention's time what that had to spare. What others send of a withdrawn result does not come again, and goes
 * with the result.
 */
const isLetGo = (
  now: Date,
): RawBuilder<boolean> => sql<boolean>`((not ${othersAdmitAsRecorded} and ${othersEraseAt} <= ${now})
  or (${isWithdrawn} and i.origin <> 'callosum')
  or (${othersEraseAt} <= ${now} and greatest(i.stored_at, i.acknowledged_at) <= ${decidedAt(othersSaidAt)})
  or (${rejectionEraseAt} <= ${now} and greatest(i.stored_at, i.acknowledged_at) <= ${decidedAt(rejectionSaidAt)}))`;

/** Rows of the instance `w` whose bytes are kept. */
const rowsLeft = sql`from intake i where i.site = w.site and i.study_instance_uid = w.study_instance_uid
  and i.sop_instance_uid = w.sop_instance_uid and i.withheld and i.erased_at is null`;
/** The later of two times, at which what the first of them spared may go. */
const lastEraseAt = sql<Date | null>`greatest(${othersEraseAt}, ${rejectionEraseAt})`;

export async function dueRows(db: QueryExecutorProvider, site: string, study: string, now: Date): Promise<DueRows> {
  const instances = (await dueInstances(db, site, study, now)).map(({ uid }) => uid);
  const { rows } = await sql<LedgerEntry>`
    select i.* from intake i join withheld_instance w on w.site = i.site
      and w.study_instance_uid = i.study_instance_uid and w.sop_instance_uid = i.sop_instance_uid
    where i.site = ${site} and i.study_instance_uid = ${study} and i.sop_instance_uid = any(${instances}::text[])
      and i.withheld and i.erased_at is null and ${isLetGo(now)} order by i.id`.execute(db);
  return { instances, entries: rows };
}

async function dueInstances(
  db: QueryExecutorProvider,
  site: string,
  study: string,
  now: Date,
  among?: readonly string[],
): Promise<{ uid: string; reason: TombstoneReason }[]> {
  const chosen = among === undefined ? sql`true` : sql`w.sop_instance_uid = any(${[...among]}::text[])`;
  const { rows } = await sql<{ uid: string; reason: TombstoneReason }>`
    select w.sop_instance_uid as uid, w.reason from withheld_instance w
    where w.site = ${site} and w.study_instance_uid = ${study} and w.withheld and not w.erased and w.erase_at <= ${now}
      and ${chosen} order by w.sop_instance_uid limit ${batchInstances}`.execute(db);
  return rows;
}

/**
 * One transaction, behind the study's lock: the rows say that their blobs are going, and so does a fact.
 * @param due whose digests are known; a row that came since is left for the next time
 */
export function recordErasure(
  { db, outbox, site }: ErasureParts,
  study: string,
  due: DueRows,
  now: Date,
): Promise<readonly ErasedRow[]> {
  return db.transaction().execute(async (trx) => {
    await ownStudy(trx, study);
    const held = await trx
      .selectFrom('legal_hold')
      .select('actor')
      .where('site', '=', site)
      .where('study_instance_uid', '=', study)
      .executeTakeFirst();
    if (held) return [];
    const instances = await dueInstances(trx, site, study, now, due.instances);
    const uids = instances.map(({ uid }) => uid);
    const { rows } = await sql<LedgerEntry>`
      update intake i set erased_at = ${now}, erasing = true from withheld_instance w
      where i.id = any(${due.entries.map(({ id }) => id)}::bigint[]) and i.sop_instance_uid = any(${uids}::text[])
        and w.site = i.site and w.study_instance_uid = i.study_instance_uid
        and w.sop_instance_uid = i.sop_instance_uid
        and i.withheld and i.erased_at is null and ${isLetGo(now)} returning i.*`.execute(trx);
    const isLater = sql`coalesce(${lastEraseAt} > ${now}, false) and exists (select 1 ${rowsLeft})`;
    await sql`
      update withheld_instance w set erased = not (${isLater}),
        erase_at = case when ${isLater} then ${lastEraseAt} else w.erase_at end
      where w.site = ${site} and w.study_instance_uid = ${study} and w.sop_instance_uid = any(${uids}::text[])
        and not exists (select 1 ${rowsLeft} and ${isLetGo(now)})`.execute(trx);
    const [first] = rows;
    if (!first) return [];
    const reason = instances.find(({ uid }) => uid === first.sop_instance_uid)?.reason ?? 'person';
    await tellErasure(trx, outbox, { site, study, reason, now, rows });
    return rows;
  });
}

interface Erasure {
  readonly site: string;
  readonly study: string;
  readonly reason: TombstoneReason;
  readonly now: Date;
  readonly rows: readonly LedgerEntry[];
}

async function tellErasure(
  trx: Transaction<ArchiveTables>,
  outbox: Outbox,
  { site, study, reason, now, rows }: Erasure,
): Promise<void> {
  const last = await sql<{ sequence: number }>`
    select greatest(${now.getTime()}::bigint, coalesce(max(sequence), 0) + 1) as sequence from tombstone
    where site = ${site} and study_instance_uid = ${study}`.execute(trx);
  const sequence = last.rows[0]?.sequence ?? now.getTime();
  const tombstone = { tombstoneId: newId(), reason, actor: 'archive' };
  const erased = new Map(rows.map((row) => [row.sop_instance_uid, row.series_instance_uid]));
  const instances = [...erased].map(([sopInstanceUid, seriesInstanceUid]) => ({ seriesInstanceUid, sopInstanceUid }));
  await trx
    .insertInto('tombstone')
    .values({
      site,
      study_instance_uid: study,
      sequence,
      tombstone_id: tombstone.tombstoneId,
      effect: 'erased',
      reason,
      code_value: null,
      code_scheme: null,
      actor: tombstone.actor,
      cause: null,
      instance_count: instances.length,
      recorded_at: now,
    })
    .execute();
  const told = { ...tombstone, studyInstanceUid: study, effect: 'erased' as const, sequence, instances };
  await tellTombstone(trx, outbox, { ...told, code: undefined, recordedAt: now.toISOString() });
}

/**
 * Rows whose blobs were going when a process ended, or could not be deleted, and that no legal hold keeps: one may have
 * been placed since.
 */
export async function erasuresUnderWay(
  db: QueryExecutorProvider,
  site: string,
  after: number,
): Promise<readonly ErasedRow[]> {
  const { rows } = await sql<ErasedRow>`
    select i.id, i.blob_key, i.study_instance_uid from intake i where i.site = ${site} and i.erasing and i.id > ${after}::bigint
      and not exists (select 1 from legal_hold h
        where h.site = i.site and h.study_instance_uid = i.study_instance_uid)
    order by i.id limit ${leftAtOnce}`.execute(db);
  return rows;
}

/** Their blobs are gone. */
export async function recordDeleted(db: QueryExecutorProvider, ids: readonly number[]): Promise<void> {
  if (ids.length > 0) await sql`update intake set erasing = false where id = any(${[...ids]}::bigint[])`.execute(db);
}
