import { sql, type Kysely } from 'kysely';
import type { Migrations } from '@callosum/database';

/** The schema that all services share on the embedded log; owned by its own role. */
export const eventLogSchema = 'event_log';

async function createLog(db: Kysely<unknown>): Promise<void> {
  // (xid, position) is the order of reading: see the query of `fetchEvents`.
  await sql`create table event_log.events (
    xid xid8 not null default pg_current_xact_id(),
    position bigint generated always as identity,
    partition integer not null,
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
    value text not null,
    appended_at timestamptz not null default now(),
    primary key (topic, partition, xid, position)
  )`.execute(db);
  await sql`create index events_appended_at on event_log.events (topic, appended_at)`.execute(db);
  await sql`create table event_log.cursors (
    consumer_group text not null,
    topic text not null,
    partition integer not null,
    xid xid8 not null,
    position bigint not null,
    owner text,
    lease_until timestamptz,
    fencing_token bigint not null default 0,
    touched_at timestamptz not null default now(),
    primary key (consumer_group, topic, partition)
  )`.execute(db);
  await sql`create table event_log.members (
    consumer_group text not null,
    topic text not null,
    member text not null,
    lease_until timestamptz not null,
    primary key (consumer_group, topic, member)
  )`.execute(db);
}

/** Run with the role that owns the schema `event_log`; services need select, insert, update, delete and the sequence. */
export const eventLogMigrations: Migrations = {
  '0001-event-log': { up: createLog },
};
