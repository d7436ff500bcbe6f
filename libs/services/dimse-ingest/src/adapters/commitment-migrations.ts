import type { Migrations } from '@callosum/database';
import { sql } from 'kysely';

/** Tables of storage commitment, in both roles. */
export const commitmentMigrations: Migrations = {
  '0002-storage-commitment': {
    async up(db) {
      await sql`
        create table commitment (
          id uuid primary key,
          aet text not null,
          transaction_uid text collate "C" not null,
          digest text not null,
          is_duplicate boolean not null,
          sop_references json not null,
          state text not null check (state in ('waiting', 'reported', 'given-up')),
          due_at timestamptz not null,
          attempts integer not null default 0,
          error_code text,
          association_id text not null,
          traceparent text,
          requested_at timestamptz not null default now(),
          ended_at timestamptz
        )`.execute(db);
      await sql`
        create unique index commitment_transaction on commitment (aet, transaction_uid) where not is_duplicate`.execute(
        db,
      );
      await sql`create index commitment_waiting on commitment (aet, due_at) where state = 'waiting'`.execute(db);
      await sql`create index commitment_by_age on commitment (requested_at) where state = 'waiting'`.execute(db);
      await sql`create index commitment_ended on commitment (state, ended_at) where ended_at is not null`.execute(db);
      await sql`
        create table commitment_requestor (
          aet text primary key,
          next_attempt_at timestamptz not null default now(),
          lease_until timestamptz,
          fence integer not null default 0,
          attempts integer not null default 0
        )`.execute(db);
      await sql`
        create table commitment_asked (
          transaction_uid text collate "C" primary key,
          aet text not null,
          instance_count integer not null,
          requested_at timestamptz not null default now(),
          report json,
          reported_at timestamptz
        )`.execute(db);
      await sql`create index commitment_asked_by_age on commitment_asked (requested_at)`.execute(db);
    },
  },
  // References of requests that wait already are not counted.
  '0006-references-of-commitments': {
    async up(db) {
      await sql`alter table commitment add column reference_count integer not null default 0`.execute(db);
    },
  },
  '0008-instances-of-asked-commitments': {
    async up(db) {
      await sql`alter table commitment_asked add column uids_digest text`.execute(db);
    },
  },
};
