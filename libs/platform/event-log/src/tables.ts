import { sql, type Kysely } from 'kysely';
import { addIndexes, type Migrations } from '@callosum/database';

const envelope = sql.raw(`
  topic text not null,
  key text not null,
  event_id text not null,
  type text not null,
  source text not null,
  time timestamptz not null,
  site text not null,
  correlation_id text not null,
  causation_id text,
  traceparent text,
  error_code text,
  value text not null`);

async function createEventTables(db: Kysely<unknown>): Promise<void> {
  await sql`create table outbox (
    id bigint generated always as identity primary key,
    xid xid8 not null default pg_current_xact_id(),
    ${envelope}
  )`.execute(db);
  await sql`create table inbox (
    consumer_group text not null,
    event_id text not null,
    received_at timestamptz not null default now(),
    primary key (consumer_group, event_id)
  )`.execute(db);
  await sql`create index inbox_received_at on inbox (received_at)`.execute(db);
  await sql`create table parked (
    id bigint generated always as identity primary key,
    consumer_group text not null,
    ${envelope},
    parked_at timestamptz not null default now(),
    unique (consumer_group, topic, key, event_id)
  )`.execute(db);
  await sql`create index parked_order on parked (consumer_group, topic, key, id)`.execute(db);
}

/** `outbox`, `inbox` and `parked` of one service, in the service's own schema (first in its search_path). */
export const eventTablesMigrations: Migrations = {
  '0000-event-tables': { up: createEventTables },
};

async function createDropped(db: Kysely<unknown>): Promise<void> {
  await sql`create table dropped (
    id bigint generated always as identity primary key,
    consumer_group text not null,
    ${envelope},
    parked_at timestamptz not null,
    dropped_at timestamptz not null default now(),
    dropped_by text not null,
    reason text not null
  )`.execute(db);
  await sql`create index dropped_at on dropped (dropped_at)`.execute(db);
}

async function createSent(db: Kysely<unknown>): Promise<void> {
  await sql`create table sent (
    id bigint primary key,
    ${envelope},
    sent_at timestamptz not null default now()
  )`.execute(db);
  await sql`create index sent_at on sent (sent_at)`.execute(db);
}

/** Facts that wait for something that is away are tried again by the service itself. */
async function addRetries(db: Kysely<unknown>): Promise<void> {
  await sql`alter table parked add column retry_at timestamptz`.execute(db);
  await sql`alter table parked add column retries int not null default 0`.execute(db);
}

/** What came after version 0.1, when services had numbered their own migrations behind `0000-event-tables`. */
export const operationsMigrations: Migrations = {
  '0001-dropped': { up: createDropped },
  '0002-sent': { up: createSent },
  '0003-parked-retries': { up: addRetries },
  '0004-parked-indexes': addIndexes(
    { name: 'parked_retry_at', table: 'parked', on: '(consumer_group, retry_at) where retry_at is not null' },
    { name: 'dropped_key', table: 'dropped', on: '(consumer_group, topic, key)' },
  ),
};
/** The set `operationsMigrations` run as; see `migrate`. */
export const operationsSet = 'operations';
