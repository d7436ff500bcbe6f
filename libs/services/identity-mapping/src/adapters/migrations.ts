import type { Migrations } from '@callosum/database';
import { sql } from 'kysely';

const tables = sql`
create table decision (
  decision_id text primary key,
  sequence bigint generated always as identity unique,
  study_instance_uid text not null,
  identity_digest text not null,
  state text not null check (state in ('linked', 'quarantined')),
  patient_reference text check ((state = 'linked') = (patient_reference is not null)),
  provisional boolean not null,
  reasons text[] not null,
  decided_by text not null check (decided_by in ('rules', 'person')),
  decided_by_name text,
  resolves text unique references decision,
  action text,
  evidence jsonb not null,
  decided_at timestamptz not null,
  superseded_at timestamptz,
  changing_until timestamptz
);
create unique index decision_current on decision (study_instance_uid) where superseded_at is null;
create index decision_history on decision (study_instance_uid, sequence);
create index decision_quarantine on decision (sequence) where state = 'quarantined' and superseded_at is null;
create table patient_identifier (
  system text not null,
  value text not null,
  patient_reference text,
  created_for text,
  created_at timestamptz not null default now(),
  primary key (system, value)
);
create table identifier_lock (
  lock_key text primary key,
  token bigint not null,
  locked_until timestamptz not null
);
create sequence identifier_lock_token;
create table publish_lease (
  lease_id text primary key,
  decision_id text not null references decision,
  holder text not null,
  lease_until timestamptz not null,
  revoked_at timestamptz
);
create index publish_lease_by_decision on publish_lease (decision_id, lease_until);
create index publish_lease_by_age on publish_lease (lease_until);
`;

export const identityMigrations: Migrations = {
  '0001-identity-tables': {
    up: async (db) => {
      await tables.execute(db);
    },
  },
};
