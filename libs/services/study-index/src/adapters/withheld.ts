import { type Kysely, sql, type Transaction } from 'kysely';

import type { ReceivedInstance, Withholding } from '../application/withholdings.js';
import type { IndexedCount } from '../domain/completeness.js';
import type { StudyIndexTables } from './tables.js';

type Db = Kysely<StudyIndexTables>;

export async function withheldOf(
  db: Db,
  studyInstanceUid: string,
  sopInstanceUids: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await db
    .selectFrom('withheld_instance')
    .select('sop_instance_uid')
    .where('study_instance_uid', '=', studyInstanceUid)
    .where('sop_instance_uid', '=', sql<string>`any(${[...sopInstanceUids]}::text[])`)
    .where('withheld', '=', true)
    .execute();
  return new Set(rows.map(({ sop_instance_uid }) => sop_instance_uid));
}

/**
 * An instance that came counts in the series in which it did, whatever its rejection note says of that. Anybody else's word
 * puts right what an older version let a note say.
 */
export async function recordWithholding(
  trx: Transaction<StudyIndexTables>,
  { studyInstanceUid, sequence, isNotes, instances }: Withholding,
  withheld: boolean,
): Promise<readonly string[]> {
  const { rows } = await sql<{ uid: string }>`
    insert into withheld_instance as w (study_instance_uid, sop_instance_uid, series_instance_uid, sequence, withheld,
      received)
    select ${studyInstanceUid}, one.sop, coalesce(max(i.series_instance_uid), max(one.series)), ${sequence}::bigint,
      ${withheld}::boolean, count(i.sop_instance_uid) > 0
    from unnest(${instances.map(({ sopInstanceUid }) => sopInstanceUid)}::text[],
      ${instances.map(({ seriesInstanceUid }) => seriesInstanceUid)}::text[]) as one (sop, series)
    left join instance i on i.sop_instance_uid = one.sop and i.study_instance_uid = ${studyInstanceUid}
    group by one.sop
    on conflict (study_instance_uid, sop_instance_uid) do update
    set sequence = excluded.sequence, withheld = excluded.withheld, received = w.received or excluded.received,
      series_instance_uid = case when ${isNotes}::boolean and w.received and not excluded.received
        then w.series_instance_uid else excluded.series_instance_uid end
    where w.sequence < excluded.sequence
    returning w.sop_instance_uid as uid`.execute(trx);
  return rows.map(({ uid }) => uid);
}

/**
 * An instance came that is not indexed: whichever is known first, that it came or that it is withheld. A copy of what came
 * already, in another series, moves nothing: what was stated of the first one's series would be missing there.
 */
export async function receiveWithheld(
  trx: Transaction<StudyIndexTables>,
  { studyInstanceUid, seriesInstanceUid, sopInstanceUid }: ReceivedInstance,
): Promise<void> {
  await trx
    .insertInto('withheld_instance')
    .values({
      study_instance_uid: studyInstanceUid,
      sop_instance_uid: sopInstanceUid,
      series_instance_uid: seriesInstanceUid,
      // Below that of any tombstone.
      sequence: 0,
      withheld: false,
      received: true,
    })
    .onConflict((on) =>
      on.columns(['study_instance_uid', 'sop_instance_uid']).doUpdateSet({
        received: true,
        series_instance_uid: sql<string>`case when withheld_instance.received then withheld_instance.series_instance_uid
          else excluded.series_instance_uid end`,
      }),
    )
    .execute();
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

/** By series, how many instances of a study came and are withheld: what a procedure step states of them is not missing. */
export async function withheldCounts(db: Db, studyInstanceUid: string): Promise<IndexedCount[]> {
  return db
    .selectFrom('withheld_instance')
    .select((select) => [
      'series_instance_uid as seriesInstanceUid',
      select.fn.countAll<number>().as('sourceInstances'),
    ])
    .where('study_instance_uid', '=', studyInstanceUid)
    .where('withheld', '=', true)
    .where('received', '=', true)
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
