import type { Migrations } from '@callosum/database';
import { type Kysely, sql } from 'kysely';

async function createPulls(db: Kysely<unknown>): Promise<void> {
  await sql`create table pull (
    id text primary key,
    number bigint generated always as identity unique,
    source text not null,
    selector json,
    request_digest text,
    idempotency_key text unique,
    state text not null check (state in ('open', 'completed', 'failed', 'cancelled')),
    is_found boolean not null default false,
    attempts integer not null default 0,
    error_code text,
    next_attempt_at timestamptz not null default now(),
    away_since timestamptz,
    lease_until timestamptz,
    fence bigint not null default 0,
    requested_by text not null,
    traceparent text,
    created_at timestamptz not null default now(),
    ended_at timestamptz
  )`.execute(db);
  await sql`create unique index pull_open on pull (request_digest) where state = 'open'`.execute(db);
  await sql`create index pull_due on pull (next_attempt_at) where state = 'open'`.execute(db);
  await sql`create index pull_ended on pull (ended_at) where state <> 'open'`.execute(db);
  await sql`create table pull_study (
    pull_id text not null references pull on delete cascade,
    study_instance_uid text collate "C" not null,
    expected integer,
    sop_class_uids text[] not null,
    state text not null check (state in ('waiting', 'completed', 'failed')),
    attempts integer not null default 0,
    received integer not null default 0,
    failed integer not null default 0,
    error_code text,
    primary key (pull_id, study_instance_uid)
  )`.execute(db);
}

/** How often a study was asked for says nothing of how often it failed: its source may have had no room. */
async function countFailures(db: Kysely<unknown>): Promise<void> {
  await sql`alter table pull_study add column failures integer not null default 0`.execute(db);
}

/** A key is its caller's, and one pull may have several. `pull.idempotency_key` is of the version before. */
async function createPullKeys(db: Kysely<unknown>): Promise<void> {
  await sql`create table pull_key (
    subject text not null,
    key text not null,
    pull_id text not null references pull on delete cascade,
    number bigint generated always as identity,
    primary key (subject, key)
  )`.execute(db);
  await sql`create index pull_key_of_pull on pull_key (pull_id, number)`.execute(db);
  await sql`insert into pull_key (subject, key, pull_id)
    select requested_by, idempotency_key, id from pull
    where idempotency_key is not null and request_digest is not null`.execute(db);
}

/** Why not all studies were found: known when they are looked for, told when the pull ends. */
async function keepIncomplete(db: Kysely<unknown>): Promise<void> {
  await sql`alter table pull add column incomplete_code text`.execute(db);
}

/** Pulls from other nodes. */
export const pullMigrations: Migrations = {
  '0005-pulls': { up: createPulls },
  '0009-pull-study-failures': { up: countFailures },
  '0010-pull-keys': { up: createPullKeys },
  '0011-pull-incomplete': { up: keepIncomplete },
};
