import type { Migrations } from '@callosum/database';
import { type Identifier, type Observation, uidIdentifier } from '@callosum/fhir';
import { type Kysely, sql } from 'kysely';

import { identifierSystems, namedIdentifier } from '../../domain/fhir/coding.js';

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
  '0002-corrections': {
    async up(db) {
      await sql`
        alter table publication
          drop constraint publication_kind_check,
          drop constraint publication_check1,
          add constraint publication_kind check (kind in ('imaging-study', 'result', 'failure', 'correction')),
          add constraint publication_of_job check ((kind in ('imaging-study', 'correction')) = (job_id is null)),
          add column refusals integer not null default 0,
          add column defects integer not null default 0,
          add column seg_sop_instance_uid text,
          add column sr_sop_instance_uid text`.execute(db);
      // One row brings in line what stands of a study, whatever it was asked for.
      await sql`create unique index publication_of_correction on publication (study_instance_uid) where kind = 'correction'`.execute(
        db,
      );
      await sql`
        create table written_resource (
          study_instance_uid text not null references study,
          resource_type text not null,
          system text not null,
          value text not null,
          primary key (study_instance_uid, resource_type, system, value)
        )`.execute(db);
      await sql`
        create table issued_instance (
          sop_instance_uid text primary key,
          study_instance_uid text not null references study,
          publication_id uuid not null references publication
        )`.execute(db);
      await sql`create index issued_instance_of_study on issued_instance (study_instance_uid)`.execute(db);
      await rememberWritten(db);
    },
  },
  '0003-trace-of-the-decision': {
    async up(db) {
      await sql`alter table study add column decision_traceparent text`.execute(db);
    },
  },
};

/** What was written before there was a ledger of it, by the names it was written under. */
async function rememberWritten(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{
    study: string;
    job: string | null;
    model: string | null;
    observations: readonly Observation[] | null;
  }>`
    select study_instance_uid as study, job_id as job, model_key as model, observations
    from publication where published_at is not null`.execute(db);
  for (const { study, job, model, observations } of rows) {
    const names: [string, Identifier][] = [['ImagingStudy', uidIdentifier(study)]];
    if (job) names.push(['Task', { system: identifierSystems.job, value: job }]);
    if (model && observations) {
      const [vendor = '', modelId = ''] = JSON.parse(model) as string[];
      names.push(['DiagnosticReport', namedIdentifier(identifierSystems.report, study, vendor, modelId)]);
    }
    for (const { identifier } of observations ?? []) if (identifier?.[0]) names.push(['Observation', identifier[0]]);
    for (const [type, { system = '', value = '' }] of names) {
      await sql`insert into written_resource values (${study}, ${type}, ${system}, ${value}) on conflict do nothing`.execute(
        db,
      );
    }
  }
}
