import { cleanText } from '../domain/clean-text.js';
import type { IdentityAttributes } from '../domain/identity.js';
import type { InstanceRecord } from '../domain/instance.js';

export const patientRow = (patient_digest: string, patient: IdentityAttributes) => ({
  patient_digest,
  patient_id: patient.patientId,
  issuer_of_patient_id: patient.issuerOfPatientId,
  issuer_universal_entity_id: patient.issuerUniversalEntityId,
  issuer_universal_entity_id_type: patient.issuerUniversalEntityIdType,
  patient_name: patient.patientName,
  patient_birth_date: patient.patientBirthDate,
  patient_sex: patient.patientSex,
});

export const cleanIdentity = (patient: IdentityAttributes): IdentityAttributes =>
  Object.fromEntries(
    Object.entries(patient).map(([name, value]) => [name, cleanText(value as string)]),
  ) as unknown as IdentityAttributes;

/** A row to lock; everything in it is written before the transaction ends. */
export const emptyStudy = (uid: string, first: InstanceRecord) => ({
  study_instance_uid: uid,
  revision: 0,
  state: 'complete' as const,
  identity_digest: '',
  inconsistent: false,
  patient_id: '',
  issuer_of_patient_id: '',
  issuer_universal_entity_id: '',
  issuer_universal_entity_id_type: '',
  patient_name: '',
  patient_birth_date: '',
  patient_sex: '',
  name_key: '',
  name_key_ideographic: '',
  name_key_phonetic: '',
  source: first.source,
  first_stored_at: first.storedAt,
  representative_sha256: '',
  study_date: null,
  study_time_key: null,
  accession_number: '',
  study_id: '',
  study_description: '',
  referring_name_key: '',
  modalities: [],
  series_count: 0,
  instance_count: 0,
  attributes: '{}',
  quiet_until: null,
  completed_at: null,
  traceparent: null,
  correlation_id: null,
  waiting_since: null,
  waiting_told_at: null,
  held_since: null,
});
