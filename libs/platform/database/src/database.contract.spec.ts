import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';

import type { Kysely } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  connect,
  databaseDefaults,
  type EmbeddedPostgres,
  isTransientDatabaseError,
  migrate,
  provision,
  type RoleSpec,
  startEmbeddedPostgres,
} from './index.js';

const roles: RoleSpec[] = [
  { role: 'shared', password: 's', schema: 'shared', uses: [] },
  { role: 'alpha', password: 'a', schema: 'alpha', uses: ['shared'] },
  { role: 'beta', password: 'b', schema: 'beta', uses: [] },
  { role: 'gamma', password: 'g', schema: 'gamma', uses: [] },
];

let folder: string;
let server: EmbeddedPostgres;
const open = (role: string, schema = role) =>
  connect<never>({ ...databaseDefaults, ...server, user: role, password: role[0] ?? '' }, schema, () => undefined);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'callosum-database-'));
  server = await startEmbeddedPostgres({ dataDir: folder, note: () => undefined });
  await provision(server, roles);
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('the embedded PostgreSQL', () => {
  it('is durable: fsync, full_page_writes and synchronous_commit are on', async () => {
    const { pool, close } = open('alpha');
    for (const setting of ['fsync', 'full_page_writes', 'synchronous_commit']) {
      const { rows } = await pool.query<Record<string, string>>(`show ${setting}`);
      expect(rows[0]?.[setting], setting).toBe('on');
    }
    await close();
  });

  it('listens on loopback only and asks for a password', async () => {
    const { pool, close } = open('alpha');
    const { rows } = await pool.query<{ listen_addresses: string }>('show listen_addresses');
    expect(rows[0]?.listen_addresses).toBe('127.0.0.1');
    await close();
    const wrong = new pg.Client({ ...server, password: 'wrong' });
    await expect(wrong.connect()).rejects.toThrow(/password authentication failed/);
  });

  it('is told no password in a statement, which it may log', async () => {
    const admin = new pg.Client({ ...server });
    await admin.connect();
    await admin.query("alter system set log_statement = 'all'");
    await admin.query('select pg_reload_conf()');
    const kept = { role: 'delta', password: 'correct horse battery staple', schema: 'delta', uses: [] };
    await expect.poll(async () => (await admin.query('show log_statement')).rows).toEqual([{ log_statement: 'all' }]);
    await provision(server, [kept]);
    await admin.query('alter system reset log_statement');
    await admin.query('select pg_reload_conf()');
    await admin.end();
    const log = readFileSync(join(folder, 'postgres.log'), 'utf8');
    expect(log).toContain('create role delta login password');
    expect(log).not.toContain(kept.password);
    const client = new pg.Client({ ...server, user: 'delta', password: kept.password });
    await client.connect();
    await client.end();
  });

  it('leaves a process alone that has got the id of a server that is gone', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'callosum-database-'));
    await (await startEmbeddedPostgres({ dataDir, note: () => undefined })).stop();
    const bystander = spawn('sleep', ['60']);
    await once(bystander, 'spawn');
    writeFileSync(join(dataDir, 'postgres', 'postmaster.pid'), `${bystander.pid}\n${join(dataDir, 'postgres')}\n`);
    const again = await startEmbeddedPostgres({ dataDir, note: () => undefined });
    expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
    bystander.kill('SIGKILL');
    await again.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it('starts though the killed server has not been asked for by its parent, and its process id is taken so long', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'callosum-database-'));
    await (await startEmbeddedPostgres({ dataDir, note: () => undefined })).stop();
    const { uid, gid } = statSync(join(dataDir, 'postgres'));
    // Its child ends once the parent has become a program that asks for nobody, and stays a zombie. Before that the shell may ask.
    const parent = spawn('sh', ['-c', 'read line <&3 & echo $!; exec sleep 60'], {
      uid,
      gid,
      cwd: '/',
      stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
    });
    const [line] = (await once(parent.stdout!, 'data')) as [Buffer];
    const zombie = Number(line.toString());
    await expect.poll(() => readFileSync(`/proc/${parent.pid}/comm`, 'utf8')).toBe('sleep\n');
    (parent.stdio[3] as Writable).end('\n');
    await expect.poll(() => readFileSync(`/proc/${zombie}/stat`, 'utf8')).toMatch(/\) Z /);
    writeFileSync(join(dataDir, 'postgres', 'postmaster.pid'), `${zombie}\n${join(dataDir, 'postgres')}\n`);
    await (await startEmbeddedPostgres({ dataDir, note: () => undefined })).stop();
    parent.kill('SIGKILL');
    rmSync(dataDir, { recursive: true, force: true });
  });

  it('writes a log that its owner alone reads', () => {
    expect(statSync(join(folder, 'postgres.log')).mode & 0o777).toBe(0o600);
  });

  it('takes over the folder of a server whose Callosum was killed, and keeps its rows', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'callosum-leftover-'));
    const first = await startEmbeddedPostgres({ dataDir, note: () => undefined });
    const client = new pg.Client({ ...first });
    await client.connect();
    await client.query('create table kept (n int)');
    await client.query('insert into kept values (7)');
    await client.end();
    // The first server lives on, as after kill -9 of the process that started it.
    const second = await startEmbeddedPostgres({ dataDir, note: () => undefined });
    const again = new pg.Client({ ...second });
    await again.connect();
    expect((await again.query('select n from kept')).rows).toEqual([{ n: 7 }]);
    await again.end();
    expect(() => process.kill(first.pid, 0)).toThrow();
    await second.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });
});

describe('roles', () => {
  it('reach their own schema and the shared one they use, and no other', async () => {
    const shared = open('shared');
    await migrate(shared.db, 'shared', {
      '0001': {
        up: async (db: Kysely<unknown>) =>
          void (await db.schema.createTable('facts').addColumn('n', 'integer').execute()),
      },
    });
    const [alpha, beta] = [open('alpha'), open('beta')];
    await beta.pool.query('create table secret (n int)');
    await alpha.pool.query('insert into shared.facts values (1)');
    await expect(alpha.pool.query('select * from beta.secret')).rejects.toThrow(/permission denied/);
    await expect(beta.pool.query('select * from shared.facts')).rejects.toThrow(/permission denied/);
    await expect(alpha.pool.query('create table public.here (n int)')).rejects.toThrow(/permission denied/);
    await expect(alpha.pool.query('drop table shared.facts')).rejects.toThrow(/must be owner/);
    await Promise.all([shared.close(), alpha.close(), beta.close()]);
  });

  it('are provisioned once by several processes at once', async () => {
    await expect(Promise.all([1, 2, 3].map(() => provision(server, roles)))).resolves.toHaveLength(3);
  });

  it('are provisioned while another process that was faster migrates a shared schema, which waits for nobody', async () => {
    const shared = open('shared');
    await shared.pool.query('create table under_way (n serial)');
    const migrating = await shared.pool.connect();
    await migrating.query('begin; alter table under_way add column m integer; alter sequence under_way_n_seq cache 2');
    await provision(server, roles);
    await migrating.query('commit');
    migrating.release();
    await shared.close();
  });

  it('get what was made in a shared schema before they were there', async () => {
    const shared = open('shared');
    await shared.pool.query('create table before_all (n serial)');
    const later = { role: 'later', password: 'l', schema: 'later', uses: ['shared'] };
    await provision(server, [...roles, later]);
    const { pool, close } = open('later');
    await pool.query('insert into shared.before_all default values');
    await pool.query('update shared.before_all set n = 2');
    expect((await pool.query('delete from shared.before_all returning n')).rows).toEqual([{ n: 2 }]);
    await expect(pool.query('truncate shared.before_all')).rejects.toThrow(/permission denied/);
    await Promise.all([shared.close(), close()]);
  });
});

describe('migrations', () => {
  it('are applied once by replicas that start together', async () => {
    let applied = 0;
    const migrations = {
      '0001-once': {
        up: async (db: Kysely<unknown>) => {
          applied++;
          await db.schema.createTable('once').addColumn('n', 'integer').execute();
        },
      },
    };
    const replicas = [open('beta'), open('beta'), open('beta')];
    await Promise.all(replicas.map(({ db }) => migrate(db, 'beta', migrations)));
    expect(applied).toBe(1);
    await Promise.all(replicas.map(({ close }) => close()));
  });

  it('of a newer version do not keep the older one from starting; a missing one among its own does', async () => {
    const create = (name: string) => ({
      up: async (db: Kysely<unknown>) => void (await db.schema.createTable(name).addColumn('n', 'integer').execute()),
    });
    const [first, second, third] = [create('first'), create('second'), create('third')];
    const { db, pool, close } = open('gamma');
    await migrate(db, 'gamma', { '0001': first, '0002': second });
    await migrate(db, 'gamma', { '0001': first });
    expect((await pool.query('select name from kysely_migration order by 1')).rows).toHaveLength(2);
    await migrate(db, 'gamma', { '0001': first, '0002': second, '0003': third });
    await expect(pool.query('select * from third')).resolves.toBeDefined();
    await expect(migrate(db, 'gamma', { '0001': first, '0003': third })).rejects.toThrow(/0002 is missing/);
    await close();
  });

  it('of two sets in one schema know nothing of each other, whatever their names', async () => {
    const create = (name: string) => ({
      up: async (db: Kysely<unknown>) => void (await db.schema.createTable(name).addColumn('n', 'integer').execute()),
    });
    const set = { '0001-a': create('of_set_a'), '0002-a': create('of_set_b') };
    const { db, pool, close } = open('alpha');
    for (const migrations of [
      { '0001-z': create('own_a') },
      { '0001-z': create('own_a'), '0003-z': create('own_b') },
    ]) {
      await migrate(db, 'alpha', migrations);
      await migrate(db, 'alpha', set, { set: 'more' });
    }
    await migrate(db, 'alpha', { '0001-a': set['0001-a'] }, { set: 'more' });
    for (const table of ['own_a', 'own_b', 'of_set_a', 'of_set_b'])
      await expect(pool.query(`select * from ${table}`), table).resolves.toBeDefined();
    await close();
  });
});

describe('errors', () => {
  it('of a server that is gone are transient, of a wrong statement not', async () => {
    const gone = connect<never>(
      { ...databaseDefaults, ...server, port: 1, user: 'alpha', password: 'a' },
      'alpha',
      () => undefined,
    );
    const refused: unknown = await gone.pool.query('select 1').catch((error: unknown) => error);
    expect(isTransientDatabaseError(refused)).toBe(true);
    await gone.close();
    const alpha = open('alpha');
    const wrong: unknown = await alpha.pool.query('select nonsense').catch((error: unknown) => error);
    expect(isTransientDatabaseError(wrong)).toBe(false);
    await alpha.close();
  });

  it('cuts a transaction that idles, for it would hold back every reader of the log', async () => {
    const database = connect<never>(
      { ...databaseDefaults, ...server, user: 'alpha', password: 'a', idleInTransactionTimeoutMs: 200 },
      'alpha',
      () => undefined,
    );
    const client = await database.pool.connect();
    await client.query('begin');
    await new Promise((resolve) => setTimeout(resolve, 600));
    const cut: unknown = await client.query('select 1').catch((error: unknown) => error);
    expect(cut).toBeInstanceOf(Error);
    client.release(true);
    await database.close();
  });
});
