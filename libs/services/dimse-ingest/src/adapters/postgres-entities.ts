import type { Database } from '@callosum/database';
import { type Selectable, sql } from 'kysely';

import type { EntityTable, StoredEntity } from '../application/entity-ports.js';
import type { ApplicationEntity } from '../domain/application-entity.js';
import { entityEntry } from '../entity-entry.js';
import type { ApplicationEntityTable, EntityTables } from './entity-tables.js';

/** AEs in PostgreSQL. */
export class PostgresEntities implements EntityTable {
  /** @param onUnreadable told of entries that a later version wrote; they let nobody in */
  constructor(
    private readonly database: Database<EntityTables>,
    private readonly onUnreadable: (aet: string) => void,
  ) {}

  async all(): Promise<readonly StoredEntity[]> {
    const rows = await this.database.db.selectFrom('application_entity').selectAll().orderBy('aet').execute();
    return rows.flatMap((row) => this.#stored(row) ?? []);
  }

  async find(aet: string): Promise<StoredEntity | undefined> {
    const row = await this.database.db
      .selectFrom('application_entity')
      .selectAll()
      .where('aet', '=', aet)
      .executeTakeFirst();
    return row && this.#stored(row);
  }

  async revision(): Promise<number> {
    const { revision } = await this.database.db
      .selectFrom('application_entity_revision')
      .select('revision')
      .executeTakeFirstOrThrow();
    return Number(revision);
  }

  change(
    aet: string,
    changedBy: string,
    work: (known: StoredEntity | undefined, count: number) => ApplicationEntity | undefined,
  ): Promise<StoredEntity | undefined> {
    return this.database.db.transaction().execute(async (trx) => {
      const { revision } = await trx
        .updateTable('application_entity_revision')
        .set({ revision: sql<number>`revision + 1` })
        .returning('revision')
        .executeTakeFirstOrThrow();
      const row = await trx.selectFrom('application_entity').selectAll().where('aet', '=', aet).executeTakeFirst();
      const { count } = await trx
        .selectFrom('application_entity')
        .select(({ fn }) => fn.countAll<string>().as('count'))
        .executeTakeFirstOrThrow();
      const next = work(row && this.#stored(row), Number(count));
      if (!next) {
        await trx.deleteFrom('application_entity').where('aet', '=', aet).execute();
        return undefined;
      }
      const values = { revision: Number(revision), entry: JSON.stringify(next), changed_by: changedBy };
      const written = await trx
        .insertInto('application_entity')
        .values({ aet, ...values })
        .onConflict((on) => on.column('aet').doUpdateSet({ ...values, changed_at: sql<Date>`now()` }))
        .returningAll()
        .executeTakeFirstOrThrow();
      return this.#stored(written);
    });
  }

  #stored(row: Selectable<ApplicationEntityTable>): StoredEntity | undefined {
    const parsed = entityEntry.safeParse(row.entry);
    if (!parsed.success) this.onUnreadable(row.aet);
    return parsed.success
      ? {
          entity: parsed.data,
          revision: Number(row.revision),
          changedAt: row.changed_at,
          changedBy: row.changed_by,
        }
      : undefined;
  }
}
