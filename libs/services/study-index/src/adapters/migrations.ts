import { addIndexes, type Migrations } from '@callosum/database';
import { sql } from 'kysely';

import { referringGroups } from './search-fields.js';
import { gramsIndex, unwrittenTexts } from './study-text.js';

/** Text is compared bytewise ("C"): DICOM values sort and range as bytes, and LIKE prefixes use the index. */
const tables = sql`
create table patient (
  patient_digest text primary key,
  patient_id text not null,
  issuer_of_patient_id text not null,
  issuer_universal_entity_id text not null,
  issuer_universal_entity_id_type text not null,
  patient_name text not null,
  patient_birth_date text not null,
  patient_sex text not null
);
create table study (
  study_instance_uid text collate "C" primary key,
  revision integer not null,
  state text not null check (state in ('receiving', 'complete')),
  identity_digest text not null,
  inconsistent boolean not null,
  patient_id text collate "C" not null,
  issuer_of_patient_id text collate "C" not null,
  issuer_universal_entity_id text not null,
  issuer_universal_entity_id_type text not null,
  patient_name text not null,
  patient_birth_date text collate "C" not null,
  patient_sex text collate "C" not null,
  name_key text collate "C" not null,
  name_key_ideographic text collate "C" not null,
  name_key_phonetic text collate "C" not null,
  source text not null,
  first_stored_at timestamptz not null,
  representative_sha256 text not null,
  study_date text collate "C",
  study_time_key text collate "C",
  accession_number text collate "C" not null,
  study_id text collate "C" not null,
  study_description text collate "C" not null,
  referring_name_key text collate "C" not null,
  modalities text[] not null,
  series_count integer not null,
  instance_count integer not null,
  attributes jsonb not null,
  quiet_until timestamptz,
  completed_at timestamptz,
  traceparent text,
  correlation_id text
);
create index study_by_date on study (study_date desc nulls last, study_instance_uid);
create index study_by_patient_id on study (patient_id);
create index study_by_accession_number on study (accession_number);
create index study_by_name on study (name_key);
create index study_by_name_ideographic on study (name_key_ideographic) where name_key_ideographic <> '';
create index study_by_name_phonetic on study (name_key_phonetic) where name_key_phonetic <> '';
create index study_by_modality on study using gin (modalities);
create index study_by_deadline on study (quiet_until) where state = 'receiving';
create table series (
  study_instance_uid text collate "C" not null references study on delete cascade,
  series_instance_uid text collate "C" not null,
  modality text collate "C" not null,
  series_number integer,
  series_description text collate "C" not null,
  body_part_examined text collate "C" not null,
  laterality text not null,
  frame_of_reference_uid text not null,
  series_date text collate "C",
  series_time_key text collate "C",
  pps_start_date text collate "C",
  representative_sha256 text not null,
  instance_count integer not null,
  source_instance_count integer not null,
  attributes jsonb not null,
  primary key (study_instance_uid, series_instance_uid)
);
create index series_by_uid on series (series_instance_uid);
create table instance (
  sop_instance_uid text collate "C" primary key,
  study_instance_uid text collate "C" not null,
  series_instance_uid text collate "C" not null,
  sop_class_uid text collate "C" not null,
  transfer_syntax_uid text not null,
  instance_revision integer not null,
  blob_key text not null,
  blob_bytes bigint not null,
  blob_sha256 text not null,
  issued_by_callosum boolean not null,
  source text not null,
  association_id text not null,
  stored_at timestamptz not null,
  patient_digest text not null references patient,
  instance_number integer,
  image jsonb not null,
  pixel_data jsonb,
  metadata jsonb not null,
  seen_at timestamptz not null
);
create index instance_by_series on instance (study_instance_uid, series_instance_uid, instance_number, sop_instance_uid);
create index instance_by_arrival on instance (study_instance_uid, issued_by_callosum, stored_at, sop_instance_uid);
create index instance_by_association on instance (association_id, study_instance_uid);
create index instance_by_last_seen on instance (seen_at);
create table release (
  study_instance_uid text collate "C" not null,
  association_id text not null,
  instance_count integer not null,
  released_at timestamptz not null,
  recorded_at timestamptz not null default now(),
  primary key (study_instance_uid, association_id)
);
create index release_by_age on release (recorded_at);
create table revision (
  study_instance_uid text collate "C" not null,
  revision integer not null,
  evidence text not null,
  series jsonb not null,
  completed_at timestamptz not null,
  primary key (study_instance_uid, revision)
);
`;

/** No reference to `study`: a step is told of before its first instance comes. */
const procedureSteps = sql`
create table procedure_step (
  study_instance_uid text collate "C" not null,
  procedure_step_uid text collate "C" not null,
  step_revision integer not null,
  status text not null check (status in ('in-progress', 'discontinued', 'completed')),
  series jsonb not null,
  study_count integer not null,
  reason_value text,
  reason_scheme text,
  source text not null,
  changed_at timestamptz not null,
  recorded_at timestamptz not null default now(),
  primary key (study_instance_uid, procedure_step_uid)
);
create index procedure_step_by_age on procedure_step (recorded_at);
`;

/** No reference to `study`: a rejection note may name what was not received yet. */
const withheldInstances = sql`
create table withheld_instance (
  study_instance_uid text collate "C" not null,
  sop_instance_uid text collate "C" not null,
  series_instance_uid text collate "C" not null,
  sequence bigint not null,
  withheld boolean not null,
  primary key (study_instance_uid, sop_instance_uid)
);
`;

/** What rejection notes name before it came: whose patient's they are is compared when it does. */
const awaitedRejections = sql`
create table awaited_rejection (
  study_instance_uid text collate "C" not null,
  sop_instance_uid text collate "C" not null,
  note_uid text collate "C" not null,
  patient_id text not null,
  issuer_of_patient_id text not null,
  named_at timestamptz not null default now(),
  primary key (study_instance_uid, sop_instance_uid)
);
create index awaited_rejection_by_age on awaited_rejection (named_at);
`;

export const studyIndexMigrations: Migrations = {
  '0001-study-tables': {
    up: async (db) => {
      await tables.execute(db);
    },
  },
  '0002-waits-for-ledger': {
    up: async (db) => {
      await sql`alter table study add column waiting_since timestamptz, add column waiting_told_at timestamptz`.execute(
        db,
      );
    },
  },
  // Required keys of C-FIND and QIDO-RS that had none (PS3.4 C.6.2.1.2, PS3.18 table 10.6.1-5).
  '0003-search-indexes': addIndexes(
    { name: 'study_by_study_id', table: 'study', on: '(study_id)' },
    { name: 'study_by_referring_name', table: 'study', on: '(referring_name_key)' },
    {
      name: 'study_by_referring_groups',
      table: 'study',
      on: `(study_instance_uid) where attributes @? '${referringGroups}'`,
    },
  ),
  '0004-stated-counts': {
    up: async (db) => {
      await procedureSteps.execute(db);
      await sql`alter table study add column held_since timestamptz`.execute(db);
      await sql`alter table series add column told_revision integer`.execute(db);
      await sql`alter table revision add column procedure_steps jsonb, add column stated_missing integer`.execute(db);
    },
  },
  '0005-tombstones': {
    up: async (db) => {
      await withheldInstances.execute(db);
      await sql`alter table study add column retention_at timestamptz`.execute(db);
    },
  },
  '0006-retention-turns': addIndexes({
    name: 'study_by_retention',
    table: 'study',
    on: `(coalesce(retention_at, '-infinity')) where state = 'complete' and instance_count > 0`,
  }),
  '0007-received-withheld': {
    up: async (db) => {
      await sql`alter table withheld_instance add column received boolean not null default true`.execute(db);
    },
  },
  '0008-awaited-rejections': {
    up: async (db) => {
      await awaitedRejections.execute(db);
    },
  },
  // Whom nothing is indexed of is forgotten; the reference to a patient is looked at from that side too.
  '0009-instances-of-patients': addIndexes({
    name: 'instance_by_patient',
    table: 'instance',
    on: '(patient_digest)',
  }),
  // Filled as instances come, when somebody opens what came before, and by a reindex.
  '0011-metadata-pieces': {
    up: async (db) => {
      await sql`alter table instance add column metadata_pieces bytea, add column metadata_pieces_blob text`.execute(
        db,
      );
    },
  },
  // Filled as 0011 is; they go with their row.
  '0012-instance-frames': {
    up: async (db) => {
      await sql`create table instance_frames (
        sop_instance_uid text collate "C" not null references instance on delete cascade,
        page integer not null,
        blob_key text not null,
        ranges bytea not null,
        primary key (sop_instance_uid, page)
      )`.execute(db);
    },
  },
  // A table of its own: a study's row is written with each instance, and its text once. Filled by the service.
  '0013-study-text': {
    up: async (db) => {
      await sql`create table study_text (
        study_instance_uid text collate "C" primary key references study on delete cascade,
        text text collate "C" not null
      )`.execute(db);
      await sql`create index study_text_by_grams on study_text ${sql.raw(gramsIndex)}`.execute(db);
      await sql`alter table study add column text_digest text`.execute(db);
    },
  },
  '0014-unwritten-texts': addIndexes(unwrittenTexts),
  // Filled with 0011.
  '0015-image-pixel': {
    up: async (db) => {
      await sql`alter table instance add column image_pixel jsonb`.execute(db);
    },
  },
  // As it is compared: ACR-NEMA wrote dots.
  '0016-birth-dates': addIndexes({
    name: 'study_by_birth_date',
    table: 'study',
    on: `((replace(patient_birth_date, '.', '')))`,
  }),
};
