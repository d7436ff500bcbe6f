import type { Migrations } from '@callosum/database';
import { sql } from 'kysely';

/** Tables of the schema `result_publisher`. */
export const migrations: Migrations = {
  '0001-studies-and-publications': {
    async up(db) {
      await sql`
        create table study (
          study_instance_uid text primary key,
          identity_digest text not null default '',
          completed_revision integer,
          decision_state text not null default 'none' check (decision_state in ('none', 'linked', 'quarantined')),
          decision_id text,
          decision_digest text,
          patient_reference text,
          decided_at timestamptz,
          lease_until timestamptz,
          fence bigint not null default 0
        )`.execute(db);
      await sql`
        create table publication (
          id uuid primary key,
          study_instance_uid text not null references study,
          kind text not null check (kind in ('imaging-study', 'result', 'failure')),
          job_id text unique,
          model_key text,
          study_revision integer not null,
          payload jsonb,
          state text not null check (state in ('waiting', 'due', 'published', 'superseded', 'parked')),
          wanted integer not null default 1,
          attempts integer not null default 0,
          next_attempt_at timestamptz,
          error_code text,
          traceparent text,
          correlation_id text,
          causation_id text,
          content_digest text,
          decision_id text,
          patient_reference text,
          imaging_study_reference text,
          diagnostic_report_reference text,
          observations jsonb,
          created_at timestamptz not null default now(),
          published_at timestamptz,
          check ((state = 'due') = (next_attempt_at is not null)),
          check ((kind = 'imaging-study') = (job_id is null))
        )`.execute(db);
      // One ImagingStudy a study, however often it is asked for.
      await sql`create unique index publication_of_study on publication (study_instance_uid) where kind = 'imaging-study'`.execute(
        db,
      );
      await sql`create index publication_by_study on publication (study_instance_uid, model_key)`.execute(db);
      await sql`create index publication_due on publication (next_attempt_at) where state = 'due'`.execute(db);
    },
  },
};
