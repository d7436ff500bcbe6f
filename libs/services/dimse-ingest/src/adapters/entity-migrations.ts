import type { Migrations } from '@callosum/database';
import { sql } from 'kysely';

export const entityMigrations: Migrations = {
  '0003-application-entities': {
    async up(db) {
      await sql`
        create table application_entity (
          aet text collate "C" primary key,
          revision bigint not null,
          entry jsonb not null,
          changed_by text not null,
          changed_at timestamptz not null default now()
        )`.execute(db);
      await sql`
        create table application_entity_revision (
          one boolean primary key default true check (one),
          revision bigint not null
        )`.execute(db);
      await sql`insert into application_entity_revision (revision) values (0)`.execute(db);
    },
  },
};
