import type { Migrations } from '@callosum/database';
import { sql } from 'kysely';

/** How much is kept of procedure steps, by AE: asked for at each of them. */
export const stepRoomMigrations: Migrations = {
  '0007-procedure-step-room': {
    async up(db) {
      await sql`alter table procedure_step add column byte_count integer not null default 0`.execute(db);
      await sql`
        create table procedure_step_room (
          source text collate "C" primary key,
          steps bigint not null,
          bytes bigint not null
        )`.execute(db);
      // Bytes of steps from before count once they are changed.
      await sql`
        insert into procedure_step_room
        select source, count(*), 0 from procedure_step group by source`.execute(db);
    },
  },
};
