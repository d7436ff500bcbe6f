import { type Kysely, sql } from 'kysely';

import type { IndexedInstance } from '../application/index-instance.js';
import type { StudyIndexTables } from './tables.js';

/** By SOP Instance UID those of these instances that are indexed. */
export async function findInstances(
  db: Kysely<StudyIndexTables>,
  sopInstanceUids: readonly string[],
): Promise<ReadonlyMap<string, IndexedInstance>> {
  const rows = await db
    .selectFrom('instance')
    .select([
      'sop_instance_uid',
      'study_instance_uid',
      'series_instance_uid',
      'instance_revision',
      'blob_sha256',
      'issued_by_callosum',
    ])
    .where('sop_instance_uid', '=', sql<string>`any(${[...sopInstanceUids]}::text[])`)
    .execute();
  return new Map(
    rows.map((row) => [
      row.sop_instance_uid,
      {
        studyInstanceUid: row.study_instance_uid,
        seriesInstanceUid: row.series_instance_uid,
        instanceRevision: row.instance_revision,
        sha256: row.blob_sha256,
        issuedByCallosum: row.issued_by_callosum,
      },
    ]),
  );
}
