import type { Kysely } from 'kysely';

import type { ArchiveTables } from './tables.js';

/** See `Archive.recentBlobs`. */
export async function recentBlobs(
  db: Kysely<ArchiveTables>,
  site: string,
  studyInstanceUid: string,
  since: Date,
  limit: number,
): Promise<string[]> {
  const rows = await db
    .selectFrom('intake')
    .select('blob_key')
    .where('site', '=', site)
    .where('current', '=', true)
    .where('withheld', '=', false)
    .where('study_instance_uid', '=', studyInstanceUid)
    .where('stored_at', '>=', since)
    // Not by `id` alone: its index is of all studies.
    .orderBy('stored_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
  return rows.map(({ blob_key }) => blob_key);
}
