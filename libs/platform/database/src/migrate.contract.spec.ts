import { orSkip, startPostgres, type TestPostgres } from '@callosum/testing';
import { type Kysely, sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  addIndexes,
  connect,
  type Database,
  type DatabaseConfig,
  isTransientDatabaseError,
  migrate,
  MigrationBusyError,
  type SchemaMigration,
} from './index.js';

const postgres = await orSkip(startPostgres);
afterAll(() => postgres.server?.stop());

const statement = (text: string): SchemaMigration => ({
  up: async (db: Kysely<unknown>) => void (await sql.raw(text).execute(db)),
});
const created = { '0001-study': statement('create table study (uid text primary key, at integer)') };
const byTime = { '0002-by-time': addIndexes({ name: 'study_by_time', table: 'study', on: '(at)' }) };
const soon = { lockTimeoutMs: 200, waitMs: 30_000 };

describe.skipIf(postgres.missing)(`limits of the database${postgres.missing ? ` (${postgres.missing})` : ''}`, () => {
  let config: DatabaseConfig;
  const opened: Database<never>[] = [];
  const open = (limits: Partial<DatabaseConfig> = {}): Database<never> => {
    const database = connect<never>({ ...config, ...limits }, 'public', () => undefined);
    opened.push(database);
    return database;
  };
  beforeAll(async () => {
    config = await (postgres.server as TestPostgres).createDatabase();
  });
  afterAll(() => Promise.all(opened.map(({ close }) => close())));

  it('are those of the settings on every connection', async () => {
    const { pool } = open({ statementTimeoutMs: 1_234, lockTimeoutMs: 345, idleInTransactionTimeoutMs: 4_567 });
    for (const [name, value] of [
      ['statement_timeout', '1234ms'],
      ['lock_timeout', '345ms'],
      ['idle_in_transaction_session_timeout', '4567ms'],
    ] as const)
      expect((await pool.query<Record<string, string>>(`show ${name}`)).rows[0]?.[name]).toBe(value);
  });

  it('end a statement that takes too long, and one that waits too long for a lock: both pass later', async () => {
    const { pool } = open({ statementTimeoutMs: 200 });
    await expect(pool.query('select pg_sleep(5)')).rejects.toSatisfy(isTransientDatabaseError);
    await pool.query('create table locked (n int)');
    const holder = await open().pool.connect();
    await holder.query('begin; lock table locked in access exclusive mode');
    const waiter = open({ lockTimeoutMs: 200 });
    const refused: unknown = await waiter.pool.query('select * from locked').catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: '55P03' });
    expect(isTransientDatabaseError(refused)).toBe(true);
    await holder.query('rollback');
    holder.release();
    await expect(waiter.pool.query('select * from locked')).resolves.toBeDefined();
  });

  it('open no more connections than the pool has, and keep nobody waiting for one for ever', async () => {
    const { pool } = open({ poolMax: 2, connectTimeoutMs: 300 });
    const held = [await pool.connect(), await pool.connect()];
    const refused: unknown = await pool.connect().catch((error: unknown) => error);
    expect(isTransientDatabaseError(refused)).toBe(true);
    const mine = await open().pool.query<{ count: number }>(
      'select count(*) as count from pg_stat_activity where pid = any($1)',
      [
        await Promise.all(
          held.map(
            async (client) => (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid,
          ),
        ),
      ],
    );
    expect(mine.rows[0]?.count).toBe(2);
    held.forEach((client) => client.release());
    (await pool.connect()).release();
  });
});

describe.skipIf(postgres.missing)(
  `migrations beside a running system${postgres.missing ? ` (${postgres.missing})` : ''}`,
  () => {
    let database: Database<never>;
    let peers: Database<never>[];
    beforeAll(async () => {
      const config = await (postgres.server as TestPostgres).createDatabase();
      const open = (): Database<never> => connect<never>(config, 'public', () => undefined);
      database = open();
      peers = [open(), open(), open()];
      await migrate(database.db, 'public', created);
    });
    afterAll(() => Promise.all([database, ...peers].map(({ close }) => close())));

    it('wait for a long query in short turns, so that nobody queues behind them for longer than one', async () => {
      const reader = await database.pool.connect();
      await reader.query('begin; select * from study');
      const altered = migrate(
        database.db,
        'public',
        { ...created, '0002-note': statement('alter table study add note text') },
        soon,
      );
      let slowestMs = 0;
      for (const end = Date.now() + 6_000; Date.now() < end;) {
        const started = Date.now();
        await (peers[0] as Database<never>).pool.query('select count(*) from study');
        slowestMs = Math.max(slowestMs, Date.now() - started);
      }
      await reader.query('commit');
      reader.release();
      await altered;
      await expect(database.pool.query('select note from study')).resolves.toBeDefined();
      // One turn is 200 ms: without it this is the 6 s of the reader.
      expect(slowestMs).toBeLessThan(4_000);
    });

    it('give up in the end, leave what was done and pass when they are run again', async () => {
      const steps = {
        ...created,
        '0002-note': statement('alter table study add note text'),
        '0003-a': statement('create table a (n int)'),
        '0004-b': statement('alter table study add b text'),
      };
      const reader = await database.pool.connect();
      await reader.query('begin; select * from study');
      await expect(migrate(database.db, 'public', steps, { ...soon, waitMs: 500 })).rejects.toMatchObject({
        code: '55P03',
      });
      await reader.query('commit');
      reader.release();
      await expect(database.pool.query('select * from a')).resolves.toBeDefined();
      await migrate(database.db, 'public', steps, soon);
      await expect(database.pool.query('select b from study')).resolves.toBeDefined();
    });

    it('leave the connection of the pool as it came', async () => {
      await migrate(database.db, 'public', {}, { ...soon, set: 'nothing' });
      for (const setting of ['lock_timeout', 'statement_timeout']) {
        const { rows } = await database.pool.query<Record<string, string>>(`show ${setting}`);
        expect(rows[0]?.[setting], setting).toBe(setting === 'lock_timeout' ? '10s' : '30s');
      }
      const { rows } = await database.pool.query("select * from pg_locks where locktype = 'advisory'");
      expect(rows).toEqual([]);
    });
  },
);

describe.skipIf(postgres.missing)(`indexes of tables in use${postgres.missing ? ` (${postgres.missing})` : ''}`, () => {
  let config: DatabaseConfig;
  const opened: Database<never>[] = [];
  const open = (limits: Partial<DatabaseConfig> = {}): Database<never> => {
    const database = connect<never>({ ...config, ...limits }, 'public', () => undefined);
    opened.push(database);
    return database;
  };
  const valid = async (): Promise<boolean | undefined> => {
    const { rows } = await open().pool.query<{ valid: boolean }>(
      "select indisvalid as valid from pg_index where indexrelid = to_regclass('study_by_time')",
    );
    return rows[0]?.valid;
  };
  beforeAll(async () => {
    config = await (postgres.server as TestPostgres).createDatabase();
    await migrate(open().db, 'public', created);
    await open().pool.query('insert into study select n::text, n from generate_series(1, 20000) as n');
  });
  afterAll(() => Promise.all(opened.map(({ close }) => close())));

  it('are built while rows are written, by replicas that start together, and none waits for another for ever', async () => {
    const writer = await open().pool.connect();
    await writer.query("begin; insert into study values ('open', 0)");
    const replicas = [1, 2, 3].map(() => migrate(open().db, 'public', { ...created, ...byTime }, soon));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    // The index waits for the open transaction; reads and writes do not wait for the index.
    const other = open({ lockTimeoutMs: 200 });
    await other.pool.query("insert into study values ('beside', 1)");
    expect(await valid()).not.toBe(true);
    await writer.query('commit');
    writer.release();
    await Promise.all(replicas);
    expect(await valid()).toBe(true);
    const { rows } = await other.pool.query<{ plan: string }>('explain select * from study where at = 7');
    expect(JSON.stringify(rows)).toContain('study_by_time');
  });

  it('whose building was cut off are built anew', async () => {
    await open().pool.query("drop index study_by_time; delete from kysely_migration where name = '0002-by-time'");
    const writer = await open().pool.connect();
    await writer.query("begin; insert into study values ('again', 0)");
    const cut = migrate(open().db, 'public', { ...created, ...byTime }, { ...soon, statementTimeoutMs: 500 });
    await expect(cut).rejects.toMatchObject({ code: '57014' });
    expect(await valid()).toBe(false);
    await writer.query('commit');
    writer.release();
    await migrate(open().db, 'public', { ...created, ...byTime }, soon);
    expect(await valid()).toBe(true);
  });

  it('tells a replica that has waited long enough for another that migrates', async () => {
    const busy = await open().pool.connect();
    await busy.query("select pg_advisory_lock(hashtext('callosum.migrate'), hashtext('public.kysely_migration'))");
    const missing = { ...created, ...byTime, '0003-more': statement('create table more (n integer)') };
    await expect(migrate(open().db, 'public', missing, { waitMs: 300 })).rejects.toBeInstanceOf(MigrationBusyError);
    // One that has all it needs, or an older version, starts beside it.
    await migrate(open().db, 'public', { ...created, ...byTime }, { waitMs: 0 });
    await migrate(open().db, 'public', created, { waitMs: 0 });
    busy.release(true);
  });
});
