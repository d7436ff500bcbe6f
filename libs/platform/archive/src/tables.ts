import type { Migrations } from '@callosum/database';
import { type ColumnType, type Generated, type Kysely, sql } from 'kysely';

import {
  type LegalHoldRow,
  tombstoneMigrations,
  type TombstoneReplayRow,
  type TombstoneRow,
  type WithheldRow,
} from './tombstone-tables.js';

/** The intake ledger: one row for each blob that is kept. What no row names does not exist. */
export interface IntakeRow {
  readonly id: Generated<number>;
  readonly site: string;
  readonly study_instance_uid: string;
  readonly series_instance_uid: string;
  readonly sop_instance_uid: string;
  readonly sop_class_uid: string;
  readonly transfer_syntax_uid: string;
  /** 1 for the first blob of a SOPInstanceUID, rising. */
  readonly revision: number;
  /** At most one row of a SOPInstanceUID is current. */
  readonly current: boolean;
  readonly decision: 'stored' | 'correction' | 'conflicting-pixels' | 'conflicting-study';
  readonly blob_key: string;
  readonly byte_count: number;
  /** Of the whole PS3.10 file. */
  readonly sha256: string;
  /** Of the bytes after file meta information. */
  readonly dataset_sha256: string;
  /** Canonical digests, computed when a second object of the UID arrives. */
  readonly attributes_digest: string | null;
  readonly pixel_digest: string | null;
  readonly origin: 'dimse' | 'stow' | 'callosum';
  readonly source: string;
  readonly association_id: string | null;
  readonly issued_by_callosum: boolean;
  readonly stored_at: ColumnType<Date, Date, never>;
  /** A tombstone names it: kept, and shown to no reader. */
  readonly withheld: ColumnType<boolean, boolean | undefined, boolean>;
  /** Its blob is gone for good, or about to be. It stays withheld, or has a later revision. */
  readonly erased_at: ColumnType<Date | null, Date | null | undefined, Date | null>;
  /** Erased, and its blob may be there still: who erases deletes it next, also after a crash. */
  readonly erasing: ColumnType<boolean, boolean | undefined, boolean>;
  /** When somebody last heard, after it was stored, that it is kept; null: nobody, or a version that does not say so. */
  readonly acknowledged_at: ColumnType<Date | null, Date | null | undefined, Date | null>;
}

/** UIDs that Callosum gave out (rule 4): known before the objects are stored anywhere. */
export interface IssuedRow {
  readonly sop_instance_uid: string;
  readonly issued_at: Generated<Date>;
}

export interface ArchiveTables {
  intake: IntakeRow;
  issued_instances: IssuedRow;
  tombstone: TombstoneRow;
  withheld_instance: WithheldRow;
  legal_hold: LegalHoldRow;
  tombstone_replay: TombstoneReplayRow;
}

async function createLedger(db: Kysely<unknown>): Promise<void> {
  await sql`create table intake (
    id bigint generated always as identity primary key,
    site text not null,
    study_instance_uid text not null,
    series_instance_uid text not null,
    sop_instance_uid text not null,
    sop_class_uid text not null,
    transfer_syntax_uid text not null,
    revision integer not null check (revision > 0),
    current boolean not null,
    decision text not null check (decision in ('stored', 'correction', 'conflicting-pixels')),
    blob_key text not null unique,
    byte_count bigint not null,
    sha256 text not null,
    dataset_sha256 text not null,
    attributes_digest text,
    pixel_digest text,
    origin text not null check (origin in ('dimse', 'stow', 'callosum')),
    source text not null,
    association_id text,
    issued_by_callosum boolean not null,
    stored_at timestamptz not null,
    unique (site, sop_instance_uid, revision)
  )`.execute(db);
  await sql`create unique index intake_current on intake (site, sop_instance_uid) where current`.execute(db);
  await sql`create index intake_study on intake (study_instance_uid, series_instance_uid) where current`.execute(db);
  await sql`create table issued_instances (
    sop_instance_uid text primary key,
    issued_at timestamptz not null default now()
  )`.execute(db);
}

/** A further value only: replicas of the version before go on writing theirs. */
async function knowConflictingStudies(db: Kysely<unknown>): Promise<void> {
  await sql`alter table intake
    drop constraint intake_decision_check,
    add constraint intake_decision_check
      check (decision in ('stored', 'correction', 'conflicting-pixels', 'conflicting-study'))`.execute(db);
}

/** Tables of the schema `archive`, beside the event tables. Run by the role that owns it. */
export const archiveMigrations: Migrations = {
  '0001-intake-ledger': { up: createLedger },
  '0002-conflicting-studies': { up: knowConflictingStudies },
  ...tombstoneMigrations,
};
