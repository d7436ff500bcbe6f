import type { Migrations } from '@callosum/database';
import type { CommitmentReport } from '@callosum/dimse';
import { type ColumnType, type Generated, sql } from 'kysely';

/** A storage commitment request: UIDs and titles, nothing of a patient. */
export interface CommitmentTable {
  id: string;
  aet: string;
  transaction_uid: string;
  digest: string;
  is_duplicate: boolean;
  /** [SOP class, SOP instance] of each. `json`: read as a whole, never searched. */
  sop_references: ColumnType<readonly (readonly [string, string])[], string, never>;
  state: 'waiting' | 'reported' | 'given-up';
  /** When others than the association it came on may report it, or after a refusal the next attempt. */
  due_at: Date;
  attempts: Generated<number>;
  error_code: string | null;
  association_id: string;
  traceparent: string | null;
  requested_at: Generated<Date>;
  ended_at: Date | null;
}

/** Whom reports go to: one worker at a time, and a pause of its own. */
export interface CommitmentRequestorTable {
  aet: string;
  next_attempt_at: Generated<Date>;
  lease_until: Date | null;
  fence: Generated<number>;
  attempts: Generated<number>;
}

/** A commitment that we asked another node for. */
export interface CommitmentAskedTable {
  transaction_uid: string;
  /** Called AE title. */
  aet: string;
  instance_count: number;
  requested_at: Generated<Date>;
  /** What the node reported; null until then. `json`: read as a whole. */
  report: ColumnType<CommitmentReport | null, string | null, string>;
  reported_at: Date | null;
}

export interface CommitmentTables {
  commitment: CommitmentTable;
  commitment_asked: CommitmentAskedTable;
  commitment_requestor: CommitmentRequestorTable;
}

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
};
