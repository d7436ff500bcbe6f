import { type Kysely, sql } from 'kysely';

import type { ArchiveTables } from './tables.js';
import type { WithheldInstance } from './tombstone-marks.js';
import { isWithdrawn } from './tombstone-tables.js';

/** A study, one of its series, or one instance of it. */
export interface TombstoneScope {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid?: string | undefined;
  readonly sopInstanceUid?: string | undefined;
}

/**
 * Of several objects of a UID in a study the current one decides in which series the instance is: a tombstone names it by
 * its UID, and a copy beside it, in another series as well, goes with it and with nothing else.
 */
const standsAlone = sql<boolean>`not exists (select 1 from intake shown where shown.site = intake.site
  and shown.sop_instance_uid = intake.sop_instance_uid and shown.study_instance_uid = intake.study_instance_uid
  and shown.current and shown.erased_at is null)`;

/**
 * Instances of which bytes are kept under a scope, hidden or not; those too that lie there as a conflict with another
 * study, which shows them under their UID.
 */
export async function keptIn(
  db: Kysely<ArchiveTables>,
  site: string,
  { studyInstanceUid, seriesInstanceUid, sopInstanceUid }: TombstoneScope,
): Promise<WithheldInstance[]> {
  const rows = (current: boolean) => {
    const query = db
      .selectFrom('intake')
      .select(['series_instance_uid as seriesInstanceUid', 'sop_instance_uid as sopInstanceUid'])
      .where('site', '=', site)
      .where('current', '=', current)
      .where('erased_at', 'is', null)
      .where('study_instance_uid', '=', studyInstanceUid);
    const ofSeries =
      seriesInstanceUid === undefined ? query : query.where('series_instance_uid', '=', seriesInstanceUid);
    return sopInstanceUid === undefined ? ofSeries : ofSeries.where('sop_instance_uid', '=', sopInstanceUid);
  };
  // Each by its own index: asked for together, every row of the site would be read.
  return rows(true).union(rows(false).where(standsAlone)).execute();
}

/** Whether bytes of a study are there that were to go: they could not be deleted, or not yet. */
export async function isGoing(db: Kysely<ArchiveTables>, site: string, studyInstanceUid: string): Promise<boolean> {
  const { rows } = await sql`
    select 1 from intake where site = ${site} and study_instance_uid = ${studyInstanceUid} and erasing limit 1`.execute(
    db,
  );
  return rows.length > 0;
}

/** Objects of a study that Callosum made, keeps and did not withdraw yet, whoever else hides them. */
export async function resultsOf(
  db: Kysely<ArchiveTables>,
  site: string,
  studyInstanceUid: string,
): Promise<WithheldInstance[]> {
  const { rows } = await sql<WithheldInstance>`
    select i.series_instance_uid as "seriesInstanceUid", i.sop_instance_uid as "sopInstanceUid" from intake i
    where i.site = ${site} and i.study_instance_uid = ${studyInstanceUid} and i.current and i.issued_by_callosum
      and i.erased_at is null
      and not exists (select 1 from withheld_instance w where w.site = i.site
        and w.study_instance_uid = i.study_instance_uid and w.sop_instance_uid = i.sop_instance_uid
        and w.withheld and ${isWithdrawn})`.execute(db);
  return rows;
}

/** What it was decided on that the retention of a study is over. */
export interface RetentionOver {
  /** Nothing of it came, or came again, after that. */
  readonly quietSince: Date;
  /** Its source instances, as far as who decided knows: what is shown beside them may have to be kept for longer. */
  readonly sourceInstances?: number | undefined;
  /**
   * The same for what is hidden and kept, but by retention, of which who decided knows nothing; null: it keeps its study for
   * ever. Not given: as the others.
   */
  readonly hiddenQuietSince?: Date | null | undefined;
}

/**
 * Whether retention may let a study go: it is as `RetentionOver` says, no legal hold keeps it, and
 * no person ever restored any of it, or it would be hidden again every day. What came counts whatever became of it, a
 * conflict that nobody sees too: its bytes go with the others.
 */
export async function mayLetGo(
  db: Kysely<ArchiveTables>,
  site: string,
  studyInstanceUid: string,
  { quietSince, sourceInstances, hiddenQuietSince = quietSince }: RetentionOver,
): Promise<boolean> {
  const others =
    sourceInstances === undefined
      ? sql`false`
      : sql`(select count(*) from intake
    where site = ${site} and study_instance_uid = ${studyInstanceUid} and current and not withheld
      and not issued_by_callosum) <> ${sourceInstances}`;
  const { rows } = await sql<{ kept: boolean }>`
    select exists (select 1 from legal_hold where site = ${site} and study_instance_uid = ${studyInstanceUid})
      or exists (select 1 from tombstone where site = ${site} and study_instance_uid = ${studyInstanceUid}
        and effect = 'restored'
        and (reason = 'person' or (reason = 'received-again' and recorded_at > ${quietSince})))
      or exists (select 1 from intake where site = ${site} and study_instance_uid = ${studyInstanceUid} and current
        and not issued_by_callosum and stored_at > ${quietSince})
      or exists (select 1 from intake where site = ${site} and study_instance_uid = ${studyInstanceUid} and not current
        and not issued_by_callosum and stored_at > ${quietSince})
      or exists (select 1 from intake where site = ${site} and study_instance_uid = ${studyInstanceUid}
        and withheld and erased_at is null and not issued_by_callosum
        and stored_at > coalesce(${hiddenQuietSince}::timestamptz, '-infinity')
        and not exists (select 1 from withheld_instance w where w.site = intake.site
          and w.study_instance_uid = intake.study_instance_uid and w.sop_instance_uid = intake.sop_instance_uid
          and w.reason = 'retention'))
      or ${others} as kept`.execute(db);
  return rows[0]?.kept === false;
}
