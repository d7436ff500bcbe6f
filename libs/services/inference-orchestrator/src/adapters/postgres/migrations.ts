import { addIndexes, type Migrations } from '@callosum/database';
import { sql } from 'kysely';

/** Tables of the schema `inference_orchestrator`. */
export const migrations: Migrations = {
  '0001-models-and-jobs': {
    async up(db) {
      await sql`
        create table model (
          model_id text not null,
          version text not null,
          manifest jsonb not null,
          first_registered_at timestamptz not null default now(),
          registered_at timestamptz not null default now(),
          backfill_from timestamptz,
          backfill_next_at timestamptz,
          primary key (model_id, version)
        )`.execute(db);
      await sql`
        create table study (
          study_instance_uid text primary key,
          revision integer not null,
          completed_at timestamptz not null,
          traceparent text,
          correlation_id text,
          causation_id text
        )`.execute(db);
      await sql`create index study_completed_at on study (completed_at)`.execute(db);
      await sql`
        create table job (
          id uuid primary key,
          study_instance_uid text not null,
          study_revision integer not null,
          series_instance_uid text not null,
          sop_instance_uids text[] not null,
          input_digest text not null,
          columns integer not null,
          rows integer not null,
          slices integer not null,
          model_id text not null,
          model_version text not null,
          evidence text[] not null,
          state text not null default 'queued'
            check (state in ('queued', 'running', 'completed', 'failed', 'superseded')),
          attempts integer not null default 0,
          fencing_token bigint not null default 0,
          next_attempt_at timestamptz default now(),
          lease_until timestamptz,
          deadline_at timestamptz,
          worker_instance_id text,
          progress double precision,
          stage text,
          error_code text,
          result_digest text,
          traceparent text,
          correlation_id text,
          causation_id text,
          scheduled_at timestamptz not null default now(),
          attempt_started_at timestamptz,
          ended_at timestamptz,
          foreign key (model_id, model_version) references model,
          check ((state = 'queued') = (next_attempt_at is not null)),
          check ((state = 'running') = (lease_until is not null))
        )`.execute(db);
      await sql`create unique index job_input on job (study_instance_uid, model_id, input_digest)
        where state <> 'superseded'`.execute(db);
      await sql`create index job_queue on job (model_id, model_version, next_attempt_at) where state = 'queued'`.execute(
        db,
      );
      await sql`create index job_leases on job (lease_until) where state = 'running'`.execute(db);
      await sql`create index job_ended on job (ended_at) where ended_at is not null`.execute(db);
      await sql`
        create table label_map (
          job_id uuid not null references job on delete cascade,
          sha256 text not null,
          object_key text not null,
          labels smallint[] not null,
          stored_at timestamptz not null default now(),
          primary key (job_id, sha256)
        )`.execute(db);
    },
  },
  '0002-accepted-label-map': {
    async up(db) {
      await sql`alter table job add column artifact_key text`.execute(db);
      await sql`alter table label_map drop constraint label_map_job_id_fkey`.execute(db);
      await sql`alter table label_map add foreign key (job_id) references job`.execute(db);
      await sql`create index label_map_stored_at on label_map (stored_at)`.execute(db);
    },
  },
  '0003-worker-credentials': {
    async up(db) {
      await sql`
        create table worker_credential (
          id uuid primary key,
          vendor text not null,
          label text not null,
          token_sha256 text not null,
          issued_at timestamptz not null default now(),
          issued_by text not null,
          expires_at timestamptz,
          revoked_at timestamptz,
          last_used_at timestamptz
        )`.execute(db);
    },
  },
  '0004-backfill-in-portions': {
    async up(db) {
      await sql`alter table model add column backfill_after timestamptz, add column backfill_after_study text`.execute(
        db,
      );
    },
  },
  '0005-models-out-of-use': {
    async up(db) {
      await sql`alter table model add column seen_at timestamptz not null default now(), add column retired_at timestamptz`.execute(
        db,
      );
    },
  },
  // Which jobs keep a model that is out of use: asked every few minutes, of all jobs there ever were.
  '0006-jobs-of-a-model': addIndexes({ name: 'job_of_model', table: 'job', on: '(model_id, model_version)' }),
  '0007-held-jobs': {
    async up(db) {
      await sql`alter table study add column held_reason text`.execute(db);
      await sql`alter table job add column held_reason text`.execute(db);
    },
  },
  '0008-procedure-steps': {
    async up(db) {
      await sql`
        create table procedure_step (
          study_instance_uid text not null,
          procedure_step_uid text not null,
          step_revision integer not null,
          status text not null check (status in ('in-progress', 'discontinued', 'completed')),
          recorded_at timestamptz not null default now(),
          primary key (study_instance_uid, procedure_step_uid)
        )`.execute(db);
      await sql`create index procedure_step_recorded_at on procedure_step (recorded_at)`.execute(db);
      await sql`alter table job add column released_at timestamptz`.execute(db);
    },
  },
  '0009-wrong-entries': {
    async up(db) {
      await sql`alter table procedure_step add column wrong_entry boolean not null default false`.execute(db);
    },
  },
};
