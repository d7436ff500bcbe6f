import { setTimeout as sleep } from 'node:timers/promises';

import { orSkip, startPostgres, TcpProxy, TestAuthority, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';

import {
  allowSilence,
  connect,
  type Database,
  databaseDefaults,
  DatabaseUnavailableError,
  isTransientDatabaseError,
  newAdminClient,
  silenceGraceMs,
} from './index.js';

const postgres = await orSkip(startPostgres);
const statementTimeoutMs = 1_000;
const deadlineMs = statementTimeoutMs + silenceGraceMs;
/** What this machine may take beside the deadline. */
const slackMs = 4_000;

describe.skipIf(postgres.missing)(`a server that vanishes${postgres.missing ? ` (${postgres.missing})` : ''}`, () => {
  let server: TestPostgres;
  let proxy: TcpProxy;
  let database: Database<never>;
  let lost: Error[];

  beforeEach(async () => {
    server = postgres.server as TestPostgres;
    proxy = await TcpProxy.to(server.admin.port);
    lost = [];
    database = open({ statementTimeoutMs });
  });
  afterEach(async () => {
    await database.close();
    await proxy.close();
  });
  afterAll(() => postgres.server?.stop());

  function open(changes: Partial<TestPostgres['admin']>): Database<never> {
    const config = { ...server.admin, ...databaseDefaults, poolMax: 3, connectTimeoutMs: 1_000, ...changes };
    return connect<never>({ ...config, port: proxy.port }, 'public', (error) => lost.push(error));
  }
  /** How long it took to fail, and with what. */
  async function failing(work: Promise<unknown>): Promise<{ error: unknown; tookMs: number }> {
    const from = performance.now();
    const error: unknown = await work.then(
      () => undefined,
      (caught: unknown) => caught,
    );
    return { error, tookMs: performance.now() - from };
  }
  function expectGivenUp({ error, tookMs }: { error: unknown; tookMs: number }): void {
    expect(error).toBeInstanceOf(DatabaseUnavailableError);
    expect(isTransientDatabaseError(error)).toBe(true);
    expect(tookMs).toBeGreaterThan(deadlineMs - 100);
    expect(tookMs).toBeLessThan(deadlineMs + slackMs);
  }

  it.each(['plain', 'TLS'])(
    'in the middle of a query (%s) is given up after the statement timeout and 5 s, with its connection',
    async (how) => {
      const authority = await TestAuthority.create();
      if (how === 'TLS') {
        await server.offerTls(await authority.issue('server', 'IP:127.0.0.1'));
        await database.close();
        database = open({ statementTimeoutMs, tls: { caFile: authority.caFile } });
      }
      await database.pool.query('select 1');
      const running = failing(database.pool.query('select pg_sleep(0.5)'));
      await sleep(100);
      proxy.silence();
      expectGivenUp(await running);
      expect([database.pool.totalCount, database.pool.idleCount, database.pool.waitingCount]).toEqual([0, 0, 0]);
      expect(lost.length).toBeGreaterThan(0);
      proxy.forward();
      expect((await database.pool.query<{ n: number }>('select 7 as n')).rows).toEqual([{ n: 7 }]);
      expect(database.pool.totalCount).toBe(1);
      await authority.remove();
    },
  );

  it('in the middle of a transaction ends it once, with an error that says to try again; the rest is rolled back', async () => {
    await database.pool.query('create table if not exists gone (n int)');
    let tries = 0;
    const transaction = failing(
      database.db.transaction().execute(async (trx) => {
        tries++;
        await sql`insert into gone values (1)`.execute(trx);
        proxy.silence();
        await sql`insert into gone values (1)`.execute(trx);
      }),
    );
    expectGivenUp(await transaction);
    expect(tries).toBe(1);
    expect(database.pool.totalCount).toBe(0);
    proxy.forward();
    await database.db.transaction().execute((trx) => sql`insert into gone values (2)`.execute(trx));
    expect((await database.pool.query('select n from gone')).rows).toEqual([{ n: 2 }]);
  });

  it('while connections idle keeps nobody longer than that, and new connections no longer than their own limit', async () => {
    await Promise.all([1, 2].map(() => database.pool.query('select pg_sleep(0.1)')));
    expect(database.pool.idleCount).toBe(2);
    proxy.silence();
    // Two find the idle ones, which nobody knows to be dead; the third needs a new one, the others wait for one.
    const found = await Promise.all([1, 2, 3, 4, 5].map(() => failing(database.pool.query('select 1'))));
    for (const one of found.slice(0, 2)) expectGivenUp(one);
    for (const { error, tookMs } of found.slice(2)) {
      expect(isTransientDatabaseError(error)).toBe(true);
      expect(tookMs).toBeLessThan(1_000 + slackMs);
    }
    expect(database.pool.totalCount).toBe(0);
    proxy.forward();
    const again = await failing(database.pool.query('select 1'));
    expect([again.error, again.tookMs < slackMs]).toEqual([undefined, true]);
  });

  it("is not one that ends a statement at its own timeout, or works for a session's longer one", async () => {
    await expect(database.pool.query('select pg_sleep(9)')).rejects.toMatchObject({ code: '57014' });
    expect(database.pool.totalCount).toBe(0);
    const client = await database.pool.connect();
    try {
      await client.query('set statement_timeout = 30000');
      await allowSilence(30_000, () => client.query(`select pg_sleep(${(deadlineMs + 1_000) / 1_000})`));
      // Each has the time for itself; those behind others wait for them, not for the server.
      await Promise.all([1, 2, 3].map(() => client.query('select pg_sleep(2.5)')));
    } finally {
      client.release(true);
    }
  });

  it('takes the locks of sessions with it: the server itself asks whether its clients are there', async () => {
    const { rows } = await database.pool.query<Record<string, string>>(
      "select current_setting('tcp_keepalives_idle') as idle, current_setting('tcp_keepalives_interval') as every, current_setting('tcp_keepalives_count') as times, current_setting('tcp_user_timeout') as unanswered",
    );
    expect(rows).toEqual([{ idle: '30', every: '10', times: '3', unanswered: '60000' }]);
    const admin = newAdminClient({ ...server.admin, port: proxy.port });
    await admin.connect();
    expect((await admin.query('show tcp_keepalives_idle')).rows).toEqual([{ tcp_keepalives_idle: '30' }]);
    await admin.end();
  });
});
