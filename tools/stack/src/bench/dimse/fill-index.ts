import { type DicomJson, levelOfTag } from '@callosum/dicom';

import { fillTables, type IndexDatabase } from '../fill.js';
import { attributesOf, studyDescription, studyOf } from './studies.js';

const batchRows = 5_000;
const fillMsMax = 600_000;
const digest = (kind: string, key: string): string => `bench ${kind} ${key}`;

export const fillIndex = (database: IndexDatabase, studies: number): Promise<void> =>
  fillTables(database, {
    studies,
    batchRows,
    statementMsMax: fillMsMax,
    isFlushed: true,
    inserts: (first, last) => {
      const rows = Array.from({ length: last - first + 1 }, (_, i) => rowOf(first + i));
      const parameters = [JSON.stringify(rows)];
      return [insertPatients, insertStudies, insertSeries, insertInstances].map((text) => [text, parameters]);
    },
  });

function rowOf(n: number) {
  const study = studyOf(n);
  const metadata = attributesOf(study);
  const level = (wanted: string): DicomJson =>
    Object.fromEntries(Object.entries(metadata).filter(([tag]) => levelOfTag(tag) === wanted));
  return {
    ...study,
    patientDigest: digest('patient', study.patientId),
    identityDigest: digest('identity', study.patientId),
    representative: digest('file', study.sopInstanceUid),
    blobKey: `bench/${study.sopInstanceUid}`,
    studyDescription,
    studyAttributes: level('study'),
    seriesAttributes: level('series'),
    metadata,
  };
}

const records = `jsonb_to_recordset($1::jsonb) as r("studyInstanceUid" text, "seriesInstanceUid" text, "sopInstanceUid" text,
  "patientId" text, "patientName" text, "patientBirthDate" text, "studyDate" text, "accessionNumber" text, modality text,
  "patientDigest" text, "identityDigest" text, "representative" text, "blobKey" text, "studyDescription" text,
  "studyAttributes" jsonb, "seriesAttributes" jsonb, metadata jsonb)`;

const insertPatients = `insert into patient (patient_digest, patient_id, issuer_of_patient_id, issuer_universal_entity_id,
  issuer_universal_entity_id_type, patient_name, patient_birth_date, patient_sex)
  select distinct "patientDigest", "patientId", '', '', '', "patientName", "patientBirthDate", 'O' from ${records}
  on conflict do nothing`;

const insertStudies = `insert into study (study_instance_uid, revision, state, identity_digest, inconsistent, patient_id,
  issuer_of_patient_id, issuer_universal_entity_id, issuer_universal_entity_id_type, patient_name, patient_birth_date,
  patient_sex, name_key, name_key_ideographic, name_key_phonetic, source, first_stored_at, representative_sha256, study_date,
  study_time_key, accession_number, study_id, study_description, referring_name_key, modalities, series_count, instance_count,
  attributes, completed_at)
  select "studyInstanceUid", 1, 'complete', "identityDigest", false, "patientId", '', '', '', "patientName",
    "patientBirthDate", 'O', lower("patientName"), '', '', 'BENCH', now(), "representative", "studyDate", '101500000000',
    "accessionNumber", 'BENCH', "studyDescription", '', array[modality], 1, 1, "studyAttributes", now() from ${records}`;

const insertSeries = `insert into series (study_instance_uid, series_instance_uid, modality, series_number, series_description,
  body_part_examined, laterality, frame_of_reference_uid, representative_sha256, instance_count, source_instance_count,
  attributes)
  select "studyInstanceUid", "seriesInstanceUid", modality, 1, '', '', '', '', "representative", 1, 1, "seriesAttributes"
  from ${records}`;

const insertInstances = `insert into instance (sop_instance_uid, study_instance_uid, series_instance_uid, sop_class_uid,
  transfer_syntax_uid, instance_revision, blob_key, blob_bytes, blob_sha256, issued_by_callosum, source, association_id,
  stored_at, patient_digest, instance_number, image, metadata, seen_at)
  select "sopInstanceUid", "studyInstanceUid", "seriesInstanceUid", '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.1.2.1', 1,
    "blobKey", 1000, "representative", false, 'BENCH', 'bench', now(), "patientDigest", 1, '{}', metadata, now()
  from ${records}`;
