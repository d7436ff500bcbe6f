import { type Kysely, sql, type Transaction } from 'kysely';

import type { Withholding } from '../application/withholdings.js';
import type { IndexedCount } from '../domain/completeness.js';
import type { StudyIndexTables } from './tables.js';

type Db = Kysely<StudyIndexTables>;

export async function isWithheld(db: Db, studyInstanceUid: string, sopInstanceUid: string): Promise<boolean> {
  const row = await db
    .selectFrom('withheld_instance')
    .select('withheld')
    .where('study_instance_uid', '=', studyInstanceUid)
    .where('sop_instance_uid', '=', sopInstanceUid)
    .executeTakeFirst();
  return row?.withheld === true;
}

export async function recordWithholding(
  trx: Transaction<StudyIndexTables>,
  { studyInstanceUid, sequence, instances }: Withholding,
  withheld: boolean,
): Promise<readonly string[]> {
  const { rows } = await sql<{ uid: string }>`
    insert into withheld_instance as w (study_instance_uid, sop_instance_uid, series_instance_uid, sequence, withheld)
    select ${studyInstanceUid}, one.sop, max(one.series), ${sequence}::bigint, ${withheld}::boolean
    from unnest(${instances.map(({ sopInstanceUid }) => sopInstanceUid)}::text[],
      ${instances.map(({ seriesInstanceUid }) => seriesInstanceUid)}::text[]) as one (sop, series)
    group by one.sop
    on conflict (study_instance_uid, sop_instance_uid) do update
    set sequence = excluded.sequence, withheld = excluded.withheld, series_instance_uid = excluded.series_instance_uid
    where w.sequence < excluded.sequence
    returning w.sop_instance_uid as uid`.execute(trx);
  return rows.map(({ uid }) => uid);
}

export async function deleteInstances(
  trx: Transaction<StudyIndexTables>,
  studyInstanceUid: string,
  sopInstanceUids: readonly string[],
): Promise<{ seriesInstanceUid: string; issuedByCallosum: boolean }[]> {
  return trx
    .deleteFrom('instance')
    .where('study_instance_uid', '=', studyInstanceUid)
    .where('sop_instance_uid', 'in', [...sopInstanceUids])
    .returning(['series_instance_uid as seriesInstanceUid', 'issued_by_callosum as issuedByCallosum'])
    .execute();
}

/** By series, how many instances of a study tombstones withhold: what a procedure step states of them is not missing. */
export async function withheldCounts(db: Db, studyInstanceUid: string): Promise<IndexedCount[]> {
  return db
    .selectFrom('withheld_instance')
    .select((select) => [
      'series_instance_uid as seriesInstanceUid',
      select.fn.countAll<number>().as('sourceInstances'),
    ])
    .where('study_instance_uid', '=', studyInstanceUid)
    .where('withheld', '=', true)
    .groupBy('series_instance_uid')
    .execute();
}

/**
 * Of these instances those with another Patient ID, or with the same one of another issuer; what says neither is nobody
 * else's.
 */
export async function instancesOfOtherPatient(
  db: Db,
  studyInstanceUid: string,
  sopInstanceUids: readonly string[],
  { patientId, issuerOfPatientId }: { readonly patientId: string; readonly issuerOfPatientId: string },
): Promise<string[]> {
  if (sopInstanceUids.length === 0 || patientId === '') return [];
  const { rows } = await sql<{ uid: string }>`
    select i.sop_instance_uid as uid from instance i join patient p using (patient_digest)
    where i.sop_instance_uid = any(${[...sopInstanceUids]}::text[]) and i.study_instance_uid = ${studyInstanceUid}
      and p.patient_id <> '' and (p.patient_id <> ${patientId} or (${issuerOfPatientId}::text <> ''
        and p.issuer_of_patient_id <> '' and p.issuer_of_patient_id <> ${issuerOfPatientId}))`.execute(db);
  return rows.map(({ uid }) => uid);
}
