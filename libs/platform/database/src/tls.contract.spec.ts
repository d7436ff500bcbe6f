import { copyFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';

import { orSkip, startPostgres, TcpProxy, TestAuthority, type TestPostgres } from '@callosum/testing';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

import {
  connect,
  type DatabaseConfig,
  type DatabaseTls,
  DatabaseTlsError,
  isTransientDatabaseError,
  newAdminClient,
} from './index.js';

const postgres = await orSkip(startPostgres);

describe.skipIf(postgres.missing)(`PostgreSQL over TLS${postgres.missing ? ` (${postgres.missing})` : ''}`, () => {
  let server: TestPostgres;
  let authority: TestAuthority;
  let other: TestAuthority;
  const closers: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    server = postgres.server as TestPostgres;
    authority = await TestAuthority.create();
    other = await TestAuthority.create();
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    for (const close of closers.splice(0)) await close();
  });
  afterAll(async () => {
    await authority.remove();
    await other.remove();
    await postgres.server?.stop();
  });

  const at = (tls: DatabaseTls | undefined, server_: Partial<DatabaseConfig> = {}): DatabaseConfig => ({
    ...server.admin,
    ...server_,
    ...(tls ? { tls } : {}),
  });
  function open(config: DatabaseConfig): pg.Pool {
    const database = connect<never>(config, 'public', () => undefined);
    closers.push(() => database.close());
    return database.pool;
  }
  const encrypted = async (pool: Pick<pg.Pool, 'query'>): Promise<unknown> =>
    (await pool.query<{ ssl: boolean }>('select ssl from pg_stat_ssl where pid = pg_backend_pid()')).rows[0]?.ssl;
  async function refusal(config: DatabaseConfig): Promise<DatabaseTlsError> {
    const error: unknown = await open(config)
      .query('select 1')
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DatabaseTlsError);
    // An outage for all work alike, not a defect of the work that met it.
    expect(isTransientDatabaseError(error)).toBe(true);
    return error as DatabaseTlsError;
  }

  it('is refused by a client that asks for it where the server has none, before anything was said', async () => {
    const proxy = await TcpProxy.to(server.admin.port);
    closers.push(() => proxy.close());
    const error = await refusal(at({ caFile: authority.caFile }, { port: proxy.port }));
    expect(error.message).toContain('it offers no TLS');
    // SSLRequest (PostgreSQL protocol, "Message Formats"): its length, and the code 80877103.
    expect([...new Set(proxy.sent.toString('hex').match(/.{16}/g))]).toEqual(['0000000804d2162f']);
  });

  it('works on the pool, on a connection beside it and for the administrator, with the right authority', async () => {
    await server.offerTls(await authority.issue('server', 'IP:127.0.0.1,DNS:localhost'));
    // Variables of libpq, which pg reads where nothing is said, change nothing.
    vi.stubEnv('PGSSLMODE', 'no-verify');
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    const tls = { caFile: authority.caFile };
    for (const host of ['127.0.0.1', 'localhost']) expect(await encrypted(open(at(tls, { host }))), host).toBe(true);
    const database = connect<never>(at(tls), 'public', () => undefined);
    closers.push(() => database.close());
    for (const client of [database.newClient(), newAdminClient(at(tls))]) {
      await client.connect();
      expect(await encrypted(client)).toBe(true);
      await client.end();
    }
    // Off is off.
    expect(await encrypted(open(at(undefined)))).toBe(false);
  });

  it('is refused for a certificate of another authority, for another name, and without an authority of ours', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    const proxy = await TcpProxy.to(server.admin.port);
    closers.push(() => proxy.close());
    const wrongAuthority = await refusal(at({ caFile: other.caFile }, { port: proxy.port }));
    expect(wrongAuthority.message).toContain('authority that is trusted (UNABLE_TO_VERIFY_LEAF_SIGNATURE)');
    expect((await refusal(at({}, { port: proxy.port }))).message).toContain('authority that is trusted');
    // Neither the role nor its password were sent, encrypted or not: after the handshake fails nothing is.
    expect(proxy.sent.includes(server.admin.user)).toBe(false);
    await server.offerTls(await authority.issue('elsewhere', 'DNS:db.example.org'));
    const wrongName = await refusal(at({ caFile: authority.caFile }));
    expect(wrongName.message).toContain('for another name (ERR_TLS_CERT_ALTNAME_INVALID)');
    expect(wrongName.message).not.toContain('db.example.org');
  });

  it('is refused where what answers speaks something else', async () => {
    const liar = createServer(
      (socket) => void socket.on('error', () => undefined).once('data', () => socket.write('SR')),
    );
    await new Promise<void>((resolve) => liar.listen(0, '127.0.0.1', resolve));
    closers.push(() => new Promise((resolve) => liar.close(resolve)));
    // Bytes behind the "S" would be read as if they had come encrypted (CVE-2021-23222).
    const error = await refusal(at({ caFile: authority.caFile }, { port: (liar.address() as AddressInfo).port }));
    expect(error.message).toContain('does not speak the protocol of PostgreSQL');
  });

  it('follows an authority that is renewed while the pool is open', async () => {
    await server.offerTls(await authority.issue('server', 'IP:127.0.0.1'));
    const caFile = join(authority.folder, 'mounted-ca.pem');
    await copyFile(authority.caFile, caFile);
    const pool = open(at({ caFile }));
    expect(await encrypted(pool)).toBe(true);
    await server.offerTls(await other.issue('server', 'IP:127.0.0.1'));
    await copyFile(other.caFile, caFile);
    // One that is open, and a second at the same time, which is new.
    const held = await pool.connect();
    try {
      expect(await encrypted(pool)).toBe(true);
    } finally {
      held.release();
    }
  });

  it('shows a certificate of its own to a server that asks for one', async () => {
    const tls = { ...(await authority.issue('client', '')), caFile: other.caFile };
    // pg_stat_ssl tells of a client's certificate only where the server has an authority to verify it with.
    await server.offerTls(await other.issue('server', 'IP:127.0.0.1'), authority.caFile);
    const subject = async (): Promise<unknown> =>
      (
        await open(at(tls)).query<{ client_dn: string | null }>(
          'select client_dn from pg_stat_ssl where pid = pg_backend_pid()',
        )
      ).rows[0]?.client_dn;
    await expect.poll(subject).toBe('/CN=client');
  });
});
