import type { Migrations } from '@callosum/database';
import { sql } from 'kysely';

import { commitmentMigrations } from './commitment-migrations.js';
import { entityMigrations } from './entity-migrations.js';
import { forwardingMigrations } from './forwarding-migrations.js';
import { pullMigrations } from './pull-migrations.js';
import { stepRoomMigrations } from './step-room-migrations.js';

/** Tables of the schema `dimse_ingest`. */
export const dimseIngestMigrations: Migrations = {
  '0001-procedure-steps': {
    async up(db) {
      await sql`
        create table procedure_step (
          sop_instance_uid text collate "C" primary key,
          revision integer not null,
          status text not null check (status in ('IN PROGRESS', 'DISCONTINUED', 'COMPLETED')),
          source text not null,
          attributes json not null,
          created_digest text not null,
          set_digest text not null,
          created_at timestamptz not null default now(),
          updated_at timestamptz not null default now()
        )`.execute(db);
      await sql`create index procedure_step_by_age on procedure_step (updated_at)`.execute(db);
    },
  },
  ...stepRoomMigrations,
  ...commitmentMigrations,
  ...entityMigrations,
  ...forwardingMigrations,
  ...pullMigrations,
};
