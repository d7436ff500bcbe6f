import type { Kysely } from 'kysely';

import type { ArchiveTables } from './tables.js';

/** What was decided on a study for one revision of a note. */
export interface NoteDecision {
  /** It was obeyed once for it. */
  readonly cause: string;
  readonly recordedAt: Date;
}

/** Of the decisions of a note, in their order: one of them is newer than what asks, which has nothing to say any more. */
export type IsOvertakenBy = (decisions: readonly NoteDecision[]) => boolean;

export async function decisionsOf(
  db: Kysely<ArchiveTables>,
  site: string,
  studyInstanceUid: string,
  note: string,
): Promise<NoteDecision[]> {
  const rows = await db
    .selectFrom('tombstone')
    .select(['cause', 'recorded_at as recordedAt'])
    .where('site', '=', site)
    .where('study_instance_uid', '=', studyInstanceUid)
    .where('actor', '=', note)
    .orderBy('sequence')
    .execute();
  return rows.flatMap(({ cause, recordedAt }) => (cause === null ? [] : [{ cause, recordedAt }]));
}

/** Whether a decision of this note was recorded that is newer than what is asked about. */
export async function isOvertaken(
  db: Kysely<ArchiveTables>,
  site: string,
  studyInstanceUid: string,
  note: string,
  isOvertakenBy: IsOvertakenBy | undefined,
): Promise<boolean> {
  return isOvertakenBy !== undefined && isOvertakenBy(await decisionsOf(db, site, studyInstanceUid, note));
}
