import { type Kysely, sql } from 'kysely';

import type { ArchiveTables } from './tables.js';
import type { WithheldInstance } from './tombstone-marks.js';

/** A study, one of its series, or one instance of it. */
export interface TombstoneScope {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid?: string | undefined;
  readonly sopInstanceUid?: string | undefined;
}

/**
 * Instances of which bytes are kept under a scope, hidden or not; those too that lie there as a conflict with another
 * study, which shows them under their UID.
 */
export async function keptIn(
  db: Kysely<ArchiveTables>,
  site: string,
  { studyInstanceUid, seriesInstanceUid, sopInstanceUid }: TombstoneScope,
): Promise<WithheldInstance[]> {
  let query = db
    .selectFrom('intake')
    .select(['series_instance_uid as seriesInstanceUid', 'sop_instance_uid as sopInstanceUid'])
    .distinct()
    .where('site', '=', site)
    .where('erased_at', 'is', null)
    .where('study_instance_uid', '=', studyInstanceUid);
  if (seriesInstanceUid !== undefined) query = query.where('series_instance_uid', '=', seriesInstanceUid);
  if (sopInstanceUid !== undefined) query = query.where('sop_instance_uid', '=', sopInstanceUid);
  return query.execute();
}

/** Whether bytes of a study are there that were to go: they could not be deleted, or not yet. */
export async function isGoing(db: Kysely<ArchiveTables>, site: string, studyInstanceUid: string): Promise<boolean> {
  const { rows } = await sql`
    select 1 from intake where site = ${site} and study_instance_uid = ${studyInstanceUid} and erasing limit 1`.execute(
    db,
  );
  return rows.length > 0;
}

/** Objects of a study that Callosum made and that are shown. */
export function shownResultsOf(
  db: Kysely<ArchiveTables>,
  site: string,
  studyInstanceUid: string,
): Promise<WithheldInstance[]> {
  return db
    .selectFrom('intake')
    .select(['series_instance_uid as seriesInstanceUid', 'sop_instance_uid as sopInstanceUid'])
    .where('site', '=', site)
    .where('study_instance_uid', '=', studyInstanceUid)
    .where('current', '=', true)
    .where('issued_by_callosum', '=', true)
    .where('withheld', '=', false)
    .execute();
}

/**
 * Whether retention may let a study go: nothing of it came, or came again, after `quietSince`, no legal hold keeps it, and
 * no person ever restored any of it, or it would be hidden again every day.
 */
export async function mayLetGo(
  db: Kysely<ArchiveTables>,
  site: string,
  studyInstanceUid: string,
  quietSince: Date,
): Promise<boolean> {
  const { rows } = await sql<{ kept: boolean }>`
    select exists (select 1 from legal_hold where site = ${site} and study_instance_uid = ${studyInstanceUid})
      or exists (select 1 from tombstone where site = ${site} and study_instance_uid = ${studyInstanceUid}
        and effect = 'restored'
        and (reason = 'person' or (reason = 'received-again' and recorded_at > ${quietSince})))
      or exists (select 1 from intake where site = ${site} and study_instance_uid = ${studyInstanceUid}
        and current and not withheld and not issued_by_callosum and stored_at > ${quietSince}) as kept`.execute(db);
  return rows[0]?.kept === false;
}
