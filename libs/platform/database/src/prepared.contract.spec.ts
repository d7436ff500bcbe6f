import { orSkip, startPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';

import { asPrepared, connect, type Database, databaseDefaults } from './index.js';

const postgres = await orSkip(startPostgres);

describe.skipIf(postgres.missing)(
  `statements that are prepared${postgres.missing ? ` (${postgres.missing})` : ''}`,
  () => {
    let database: Database<never>;

    beforeEach(() => {
      const config = { ...postgres.server!.admin, ...databaseDefaults, poolMax: 1 };
      database = connect<never>(config, 'public', () => undefined);
    });
    afterEach(() => database.close());
    afterAll(() => postgres.server?.stop());

    const doubled = async (value: number): Promise<unknown> =>
      (await sql<{ n: number }>`select ${value}::int * 2 as n`.execute(database.db)).rows;
    /** Of the only connection. */
    const prepared = async (): Promise<{ uses: number }[]> =>
      (
        await sql<{ uses: number }>`
        select (generic_plans + custom_plans)::int as uses from pg_prepared_statements order by name`.execute(
          database.db,
        )
      ).rows;

    it('are those that are asked for, once a text, and answer for each value', async () => {
      expect(await doubled(1)).toEqual([{ n: 2 }]);
      expect(await prepared()).toEqual([]);
      for (let value = 0; value < 8; value++)
        expect(await asPrepared(() => doubled(value))).toEqual([{ n: 2 * value }]);
      await asPrepared(() => sql`select 'another'`.execute(database.db));
      expect(await prepared()).toEqual([{ uses: 8 }, { uses: 1 }]);
    });

    it('are so many and no more on one connection: others are sent as ever', async () => {
      for (let text = 0; text < 70; text++) {
        const { rows } = await asPrepared(() =>
          sql<{ n: number }>`select ${sql.raw(String(text))} as n`.execute(database.db),
        );
        expect(rows).toEqual([{ n: text }]);
      }
      expect(await prepared()).toHaveLength(64);
    });

    it('say what is wrong with them, and go on', async () => {
      const divide = (by: number) =>
        asPrepared(() => sql<{ n: number }>`select 6 / ${by}::int as n`.execute(database.db));
      await expect(divide(0)).rejects.toMatchObject({ code: '22012' });
      expect((await divide(3)).rows).toEqual([{ n: 2 }]);
      await expect(asPrepared(() => sql`select of nothing`.execute(database.db))).rejects.toMatchObject({
        code: '42703',
      });
      expect((await divide(2)).rows).toEqual([{ n: 3 }]);
    });

    it('are prepared anew where what they find has other columns than before', async () => {
      await sql`create table changing (one int)`.execute(database.db);
      await sql`insert into changing values (1)`.execute(database.db);
      const all = async (): Promise<unknown> =>
        (await asPrepared(() => sql`select * from changing`.execute(database.db))).rows;
      expect(await all()).toEqual([{ one: 1 }]);
      await sql`alter table changing add column two int`.execute(database.db);
      await expect(all()).rejects.toMatchObject({ code: '0A000' });
      expect(await all()).toEqual([{ one: 1, two: null }]);
      await sql`deallocate all`.execute(database.db);
      await expect(all()).rejects.toMatchObject({ code: '26000' });
      expect(await all()).toEqual([{ one: 1, two: null }]);
    });
  },
);
