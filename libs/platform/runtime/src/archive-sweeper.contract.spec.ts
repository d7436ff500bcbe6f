import { setTimeout as sleep } from 'node:timers/promises';

import { connect, type Database } from '@callosum/database';
import { orSkip, startPostgres, TcpProxy, type TestPostgres } from '@callosum/testing';
import { createLogger } from '@callosum/telemetry';
import pg from 'pg';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';

import { ArchiveSweeper } from './archive-sweeper.js';

const postgres = await orSkip(startPostgres);

describe.skipIf(postgres.missing)(`the archive's sweeper${postgres.missing ? ` (${postgres.missing})` : ''}`, () => {
  const sweepers: ArchiveSweeper[] = [];
  const pool = connect<never>(
    (postgres.server as TestPostgres | undefined)?.admin ?? ({} as TestPostgres['admin']),
    'sweep_test',
    () => undefined,
  );
  afterAll(async () => {
    await pool.close();
    await postgres.server?.stop();
  });
  afterEach(async () => {
    for (const sweeper of sweepers.splice(0)) await sweeper.close();
  });

  function start(
    sweep: (ageMs: number) => Promise<number>,
    site = 'default',
    { newClient }: Pick<Database<never>, 'newClient'> = pool,
    everyMs = 20,
  ): ArchiveSweeper {
    const sweeper = new ArchiveSweeper({
      archive: { sweep, erase: () => Promise.resolve(0), unknownBlobs: 3 },
      // As the runtime hands it over.
      newClient,
      site,
      logger: createLogger('test', 'silent'),
      firstAfterMs: 0,
      everyMs,
      takeOverMs: 20,
    });
    sweepers.push(sweeper);
    return sweeper.start();
  }
  const until = (holds: () => boolean): Promise<void> =>
    vi.waitFor(() => expect(holds()).toBe(true), { timeout: 20_000 });
  async function endSessions(name: string): Promise<void> {
    const admin = new pg.Client(postgres.server?.admin);
    await admin.connect();
    await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1', [name]);
    await admin.end();
  }

  it('runs at one replica of a site, with the age of a day, and goes over to another when that one ends', async () => {
    const counts = [0, 0];
    const ages = new Set<number>();
    const count = (replica: 0 | 1) => (ageMs: number) => {
      ages.add(ageMs);
      counts[replica] = (counts[replica] ?? 0) + 1;
      return Promise.resolve(0);
    };
    const first = start(count(0));
    await until(() => (counts[0] ?? 0) > 2);
    const second = start(count(1));
    // Only who sweeps knows today's number.
    expect([first.unknownBlobs, second.unknownBlobs]).toEqual([3, undefined]);
    const before = counts[0] ?? 0;
    await until(() => (counts[0] ?? 0) > before + 10);
    expect(counts[1]).toBe(0);
    await first.close();
    await until(() => (counts[1] ?? 0) > 2);
    expect([first.unknownBlobs, second.unknownBlobs]).toEqual([undefined, 3]);
    expect([...ages]).toEqual([24 * 3_600_000]);
  });

  it('sweeps at once at the replica that takes over, however seldom it sweeps: until then nobody tells what it finds', async () => {
    const counts = [0, 0];
    const first = start(() => Promise.resolve((counts[0] = 1)), 'seldom', pool, 3_600_000);
    await until(() => counts[0] === 1);
    const second = start(() => Promise.resolve((counts[1] = 1)), 'seldom', pool, 3_600_000);
    expect(second.unknownBlobs).toBeUndefined();
    await first.close();
    await until(() => counts[1] === 1);
    expect(second.unknownBlobs).toBe(3);
  });

  it('goes on after a sweep that failed and after its connection was cut', async () => {
    let sweeps = 0;
    start(() => (++sweeps === 1 ? Promise.reject(new Error('the store is away')) : Promise.resolve(0)), 'other');
    await until(() => sweeps > 3);
    await endSessions('callosum sweep_test');
    const before = sweeps;
    await until(() => sweeps > before + 3);
  });

  it('does not sweep on a lock that a vanished server took with it, and takes it again where there is one', async () => {
    const { admin } = postgres.server as TestPostgres;
    const proxy = await TcpProxy.to(admin.port);
    const limits = { statementTimeoutMs: 200, connectTimeoutMs: 500 };
    const there = connect<never>({ ...admin, ...limits, port: proxy.port }, 'sweep_silent', () => undefined);
    let sweeps = 0;
    start(() => Promise.resolve(++sweeps), 'vanishing', there);
    await until(() => sweeps > 2);
    proxy.silence();
    const before = sweeps;
    await sleep(1_000);
    expect(sweeps - before).toBeLessThanOrEqual(1);
    // The server that comes after it knows nothing of its sessions.
    await endSessions('callosum sweep_silent');
    proxy.forward();
    await until(() => sweeps > before + 3);
    await Promise.all(sweepers.splice(0).map((sweeper) => sweeper.close()));
    await there.close();
    await proxy.close();
  });
});
