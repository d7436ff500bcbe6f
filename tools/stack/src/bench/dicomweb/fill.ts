import { fillTables, type IndexDatabase } from '../fill.js';

const batchRows = 50_000;
const fillMsMax = 1_800_000;

/** Studies of a day; the archive of a million is ten years old. */
const studiesOfDay = 274;
const studiesOfPatient = 3;
/** Studies under one family name, however large the archive is: a typed name finds as many. */
const studiesOfFamily = 21;

/** The study of that number, from 0. */
export const studyInstanceUidOf = (n: number): string => `2.25.71${String(n).padStart(20, '0')}`;

/** Fills tables that are empty. All of it is made by PostgreSQL. */
export const fillStudies = (database: IndexDatabase, studies: number): Promise<void> =>
  fillTables(database, {
    studies,
    batchRows,
    statementMsMax: fillMsMax,
    // What is lost is filled again anyway.
    isFlushed: false,
    inserts: (first, last) => {
      const rows = rowsOf(first, last, studies);
      return inserts.map((insert) => [insert(rows)]);
    },
  });

/** 65 parts of names, so that beginnings, middles and ends of them are shared as people's are; three make a family name. */
const syllables =
  'an ba ber bo ca der do el en er fa fi gar ger go ha hen ho in ka ke kow la le li ler lo ma man mar me mi mo na ne ner no ol on or pe per ra ri ro ru sa schmi sen si ski so son ta ter ti to tor ul va ver vi wa wei zi';
const syllable = (number: string): string =>
  `(string_to_array('${syllables}', ' '))[1 + ((${number}) % ${syllables.split(' ').length})::integer]`;
const uid = (kind: number): string => `'2.25.7${kind}' || lpad(n::text, 20, '0')`;
const element = (tag: string, vr: string, value: string): string =>
  `'${tag}', jsonb_build_object('vr', '${vr}', 'Value', jsonb_build_array(${value}))`;

/** Studies `first` to `last` as rows of what is different about them. */
function rowsOf(first: number, last: number, studies: number): string {
  const families = Math.max(1, Math.ceil(studies / studiesOfFamily));
  const patients = Math.max(1, Math.ceil(studies / studiesOfPatient));
  return `
    with studies as (
      select n, ${uid(1)} as study_uid, ${uid(2)} as series_uid, ${uid(3)} as sop_uid, patient,
        to_char(date '2016-11-01' + (n / ${studiesOfDay})::integer, 'YYYYMMDD') as study_date,
        lpad((700 + n % 1100)::text, 4, '0') || '00' as study_time,
        'A' || lpad((n * 7 % 100000000)::text, 9, '0') as accession,
        case when n % 10007 = 17 then 'ES' when n % 100 < 32 then 'CT' when n % 100 < 55 then 'MR' when n % 100 < 80 then 'DX'
          when n % 100 < 92 then 'US' when n % 100 < 97 then 'MG' else 'PT' end as modality,
        (array['THORAX', 'ABDOMEN', 'SCHAEDEL', 'HWS', 'KNIE LINKS', 'KNIE RECHTS', 'BECKEN', 'HERZ'])[1 + (n / 3 % 8)::integer]
          || case when n % 4 = 0 then ' MIT KONTRASTMITTEL' else ' NATIV' end as description
      from generate_series(${first}::bigint, ${last}) as n, lateral (select n * 611953 % ${patients} as patient) as p
    ), named as (
      select *, 'P' || lpad((patient * 104729 % 100000000)::text, 8, '0') as patient_id,
        'bench patient ' || patient as digest,
        initcap(${syllable('family')} || ${syllable('family / 65')} || ${syllable('family / 4225')}) || '^'
          || initcap(${syllable('patient / 7')} || ${syllable('patient / 3')}) as name,
        to_char(date '1930-01-01' + (patient % 30000)::integer, 'YYYYMMDD') as birth_date
      from studies, lateral (select patient % ${families} * 7919 % 274625 as family) as f
    ), described as (
      select *, jsonb_build_object(${[
        element('00080020', 'DA', 'study_date'),
        element('00080030', 'TM', 'study_time'),
        element('00080050', 'SH', 'accession'),
        element('00080090', 'PN', `jsonb_build_object('Alphabetic', 'Haus^Arzt ' || n % 400)`),
        element('00081030', 'LO', 'description'),
        element('00100010', 'PN', `jsonb_build_object('Alphabetic', name)`),
        element('00100020', 'LO', 'patient_id'),
        element('00100030', 'DA', 'birth_date'),
        element('00100040', 'CS', `'O'`),
        element('00101010', 'AS', `'055Y'`),
        element('0020000D', 'UI', 'study_uid'),
        element('00200010', 'SH', 'n::text'),
      ].join(', ')}) as study_attributes,
      jsonb_build_object(${[
        element('00080060', 'CS', 'modality'),
        element('0008103E', 'LO', `'Serie ' || modality`),
        element('0020000E', 'UI', 'series_uid'),
        element('00200011', 'IS', '1'),
      ].join(', ')}) as series_attributes
      from named
    )`;
}

const insertPatients = (rows: string): string => `${rows}
  insert into patient (patient_digest, patient_id, issuer_of_patient_id, issuer_universal_entity_id,
    issuer_universal_entity_id_type, patient_name, patient_birth_date, patient_sex)
  select distinct digest, patient_id, '', '', '', name, birth_date, 'O' from described on conflict do nothing`;

const insertStudies = (rows: string): string => `${rows}
  insert into study (study_instance_uid, revision, state, identity_digest, inconsistent, patient_id, issuer_of_patient_id,
    issuer_universal_entity_id, issuer_universal_entity_id_type, patient_name, patient_birth_date, patient_sex, name_key,
    name_key_ideographic, name_key_phonetic, source, first_stored_at, representative_sha256, study_date, study_time_key,
    accession_number, study_id, study_description, referring_name_key, modalities, series_count, instance_count, attributes,
    completed_at)
  select study_uid, 1, 'complete', digest, false, patient_id, '', '', '', name, birth_date, 'O', lower(name), '', '', 'BENCH',
    now(), sop_uid, study_date, rpad(study_time, 12, '0'), accession, n::text, description, 'haus^arzt ' || n % 400,
    array[modality], 1, 1, study_attributes, now()
  from described`;

const insertSeries = (rows: string): string => `${rows}
  insert into series (study_instance_uid, series_instance_uid, modality, series_number, series_description,
    body_part_examined, laterality, frame_of_reference_uid, representative_sha256, instance_count, source_instance_count,
    attributes)
  select study_uid, series_uid, modality, 1, 'Serie ' || modality, '', '', '', sop_uid, 1, 1, series_attributes
  from described`;

const insertInstances = (rows: string): string => `${rows}
  insert into instance (sop_instance_uid, study_instance_uid, series_instance_uid, sop_class_uid, transfer_syntax_uid,
    instance_revision, blob_key, blob_bytes, blob_sha256, issued_by_callosum, source, association_id, stored_at,
    patient_digest, instance_number, image, pixel_data, metadata, seen_at)
  select sop_uid, study_uid, series_uid, '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.1.2.1', 1, 'bench/' || sop_uid, 1000,
    sop_uid, false, 'BENCH', 'bench', now(), digest, 1, '{}', 'null',
    study_attributes || series_attributes || jsonb_build_object(${[
      element('00080016', 'UI', `'1.2.840.10008.5.1.4.1.1.2'`),
      element('00080018', 'UI', 'sop_uid'),
      element('00200013', 'IS', '1'),
    ].join(', ')}), now()
  from described`;

const inserts = [insertPatients, insertStudies, insertSeries, insertInstances];
