import type { Migrations } from '@callosum/database';
import { type Kysely, sql } from 'kysely';

async function createForwarding(db: Kysely<unknown>): Promise<void> {
  await sql`create table forwarding_rule (
    id text primary key,
    rule json not null,
    created_at timestamptz not null default now()
  )`.execute(db);
  await sql`create table forward_destination (
    destination text collate "C" primary key,
    failures integer not null default 0,
    next_attempt_at timestamptz not null default now(),
    error_code text,
    failed_at timestamptz,
    answered_at timestamptz
  )`.execute(db);
  await sql`create table forward_queue (
    id bigint generated always as identity primary key,
    destination text collate "C" not null,
    study_instance_uid text collate "C" not null,
    sop_instance_uid text collate "C" not null,
    sop_class_uid text not null,
    transfer_syntax_uid text not null,
    revision integer not null,
    transcode boolean not null,
    state text not null check (state in ('waiting', 'failed', 'sent', 'dropped')),
    attempts integer not null default 0,
    error_code text,
    next_attempt_at timestamptz not null default now(),
    lease_until timestamptz,
    fence bigint,
    traceparent text,
    created_at timestamptz not null default now(),
    ended_at timestamptz,
    unique (destination, sop_instance_uid, revision)
  )`.execute(db);
  await sql`create sequence forward_claim`.execute(db);
  await sql`create index forward_due on forward_queue (destination, next_attempt_at, id) where state = 'waiting'`.execute(
    db,
  );
  await sql`create index forward_study on forward_queue (destination, study_instance_uid, id) where state = 'waiting'`.execute(
    db,
  );
  await sql`create index forward_claimed on forward_queue (destination, fence)
    where state = 'waiting' and lease_until is not null`.execute(db);
  await sql`create index forward_oldest on forward_queue (destination, created_at) where state = 'waiting'`.execute(db);
  await sql`create index forward_failed on forward_queue (destination) where state = 'failed'`.execute(db);
  await sql`create index forward_ended on forward_queue (ended_at) where state in ('sent', 'dropped')`.execute(db);
}

/**
 * When an instance was last tried tells whether others passed since. A worker's place at a destination outlives what it
 * sends: its association does. The version before leases instances alone, and is counted by those.
 */
async function keepPlaces(db: Kysely<unknown>): Promise<void> {
  await sql`alter table forward_queue add column tried_at timestamptz`.execute(db);
  await sql`create table forward_lease (
    fence bigint primary key,
    destination text collate "C" not null,
    lease_until timestamptz not null
  )`.execute(db);
  await sql`create index forward_lease_of on forward_lease (destination)`.execute(db);
}

/**
 * A destination that is reached and takes nothing is not one that is not reached: its pauses are its own, and where it is
 * tried next depends on how often it refused. The version before knows neither and goes by `failures`.
 */
async function countRefusals(db: Kysely<unknown>): Promise<void> {
  await sql`alter table forward_destination add column refusals integer not null default 0,
    add column refused integer not null default 0, add column visits integer not null default 0`.execute(db);
}

/** Rules and queues of forwarding. */
export const forwardingMigrations: Migrations = {
  '0004-forwarding': { up: createForwarding },
  '0012-forwarding-places': {
    // What a retry by its code looks for, among all that was sent.
    indexes: [
      {
        name: 'forward_withdrawn',
        table: 'forward_queue',
        on: `(destination) where state = 'dropped' and error_code = 'dimse-ingest.withdrawn'`,
      },
    ],
    up: keepPlaces,
  },
  '0013-forwarding-refusals': { up: countRefusals },
};
