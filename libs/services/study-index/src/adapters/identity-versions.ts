import { type Kysely, sql } from 'kysely';

import type { IdentityAttributes } from '../domain/identity.js';
import type { StudyIndexTables } from './tables.js';

/** What objects of a study say of its patient, oldest first; what Callosum issued counts where there is nothing else. */
export async function identityVersions(
  db: Kysely<StudyIndexTables>,
  studyInstanceUid: string,
): Promise<readonly IdentityAttributes[]> {
  const versions = (issued: boolean) =>
    db
      .selectFrom('instance as i')
      .innerJoin('patient as p', 'p.patient_digest', 'i.patient_digest')
      .where('i.study_instance_uid', '=', studyInstanceUid)
      .where('i.issued_by_callosum', '=', issued)
      .groupBy('p.patient_digest')
      .selectAll('p')
      .orderBy((eb) => eb.fn.min('i.stored_at'))
      // As the instance that stands for the study is chosen: the first account is its own.
      .orderBy(sql`(array_agg(i.sop_instance_uid order by i.stored_at, i.sop_instance_uid))[1]`)
      .execute();
  const source = await versions(false);
  const rows = source.length > 0 ? source : await versions(true);
  return rows.map((row) => ({
    patientId: row.patient_id,
    issuerOfPatientId: row.issuer_of_patient_id,
    issuerUniversalEntityId: row.issuer_universal_entity_id,
    issuerUniversalEntityIdType: row.issuer_universal_entity_id_type,
    patientName: row.patient_name,
    patientBirthDate: row.patient_birth_date,
    patientSex: row.patient_sex,
  }));
}
