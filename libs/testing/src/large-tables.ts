/**
 * Rows as a hospital's: 500 instances a study in five series, UIDs of 60 characters, a patient for every third study.
 * Statements of one parameter-less text each; the schema is the first in the search path, and its tables are empty.
 */
const uid = (kind: number, number: string): string =>
  `'1.2.840.113619.2.55.3.2831868886.${kind}.1' || lpad((${number})::text, 25, '0')`;
const study = uid(1, 'n / 500');
const series = uid(2, 'n / 100');
const instance = uid(3, 'n');
const digest = (salt: string): string => `encode(sha256(('${salt}' || n)::bytea), 'hex')`;
const blobKey = `'default/blobs/2026/11/26/' || to_char(n, 'FM0000000000000') || '.dimse.MODALITY1.' || md5('b' || n)`;

/** Ledger rows of `archive.intake`. */
export const fillIntake = (rows: number): string => `
  insert into intake (site, study_instance_uid, series_instance_uid, sop_instance_uid, sop_class_uid, transfer_syntax_uid,
    revision, current, decision, blob_key, byte_count, sha256, dataset_sha256, origin, source, association_id,
    issued_by_callosum, stored_at)
  select 'default', ${study}, ${series}, ${instance}, '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.1.2.1', 1, true, 'stored',
    ${blobKey}, 526000, ${digest('f')}, ${digest('d')}, 'dimse', 'MODALITY1', md5('a' || n / 500), false,
    timestamptz '2026-01-01' + n * interval '0.3 s'
  from generate_series(1, ${rows}) as n`;

/** Studies, series and instances of `study_index`; metadata is about as long as that of a CT slice. */
export const fillIndex = (rows: number): string => `
  insert into patient select 'p' || n, 'MRN' || n, '', '', '', 'NAME^' || n, '19700101', 'F'
  from generate_series(0, ${Math.ceil(rows / 1500)}) as n;
  insert into study (study_instance_uid, revision, state, identity_digest, inconsistent, patient_id, issuer_of_patient_id,
    issuer_universal_entity_id, issuer_universal_entity_id_type, patient_name, patient_birth_date, patient_sex, name_key,
    name_key_ideographic, name_key_phonetic, source, first_stored_at, representative_sha256, study_date, study_time_key,
    accession_number, study_id, study_description, referring_name_key, modalities, series_count, instance_count, attributes,
    completed_at)
  select ${uid(1, 's')}, 1, 'complete', md5('i' || s), false, 'MRN' || s / 3, '', '', '', 'NAME^' || s / 3, '19700101', 'F',
    'NAME^' || s / 3, '', '', 'MODALITY1', now(), md5('r' || s), to_char(date '2010-01-01' + (s % 6000)::int, 'YYYYMMDD'), '10',
    'ACC' || s, 'ID' || s, 'CT CHEST', '', array['CT'], 5, 500, jsonb_build_object('00080020', repeat('x', 600)), now()
  from generate_series(0, ${Math.ceil(rows / 500)}) as s;
  insert into series (study_instance_uid, series_instance_uid, modality, series_number, series_description,
    body_part_examined, laterality, frame_of_reference_uid, representative_sha256, instance_count, source_instance_count,
    attributes)
  select ${uid(1, 'e / 5')}, ${uid(2, 'e')}, 'CT', e % 5, 'AXIAL', 'CHEST', '', '1.2', md5('e' || e), 100, 100,
    jsonb_build_object('00080021', repeat('x', 200))
  from generate_series(0, ${Math.ceil(rows / 100)}) as e;
  insert into instance (sop_instance_uid, study_instance_uid, series_instance_uid, sop_class_uid, transfer_syntax_uid,
    instance_revision, blob_key, blob_bytes, blob_sha256, issued_by_callosum, source, association_id, stored_at,
    patient_digest, instance_number, image, pixel_data, metadata, seen_at)
  select ${instance}, ${study}, ${series}, '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.1.2.1', 1, ${blobKey}, 526000,
    ${digest('f')}, false, 'MODALITY1', md5('a' || n / 500), timestamptz '2026-01-01' + n * interval '0.3 s',
    'p' || n / 1500, n % 100, jsonb_build_object('rows', 512, 'columns', 512, 'imagePositionPatient', array[n, 1.5, 2.5],
      'imageType', array['ORIGINAL', 'PRIMARY', 'AXIAL'], 'imageOrientationPatient', array[1, 0, 0, 0, 1, 0],
      'pixelSpacing', array[0.7, 0.7], 'numberOfFrames', 1, 'sliceThickness', 1.25, 'hasRescale', true),
    jsonb_build_object('encapsulated', false, 'nativeOffset', 1300, 'nativeFrameBytes', 524288, 'frames', '[]'::jsonb),
    (select jsonb_object_agg(to_char(k, 'FM00000000'), jsonb_build_object('vr', 'LO', 'Value', array[md5(k::text || n)]))
      from generate_series(1, 40) as k),
    timestamptz '2026-01-01' + n * interval '0.3 s'
  from generate_series(1, ${rows}) as n`;

/** What a busy group has handled in ten days; a hundredth of it is older than any retention. */
export const fillInbox = (rows: number): string => `
  insert into inbox select 'study-index', md5('i' || n), now() - case when n % 100 = 0 then 400 else 10 * n / ${rows}.0 end * interval '1 day'
  from generate_series(1, ${rows}) as n`;
