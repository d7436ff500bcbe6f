import { mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';

import {
  databaseDefaults,
  type DatabaseConfig,
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from '@callosum/database';
import pg from 'pg';

import { type Mount, mountOf } from '../disk.js';

/** PostgreSQL with its defaults (fsync, full page writes and synchronous commit on), and a new database on it. */
export interface BenchDatabase {
  readonly admin: DatabaseConfig;
  readonly pid: number;
  /** Where its data is. */
  readonly mount: Mount;
  /** Drops the database and ends the server; its folder stays, so that the next one need not make its cluster. */
  stop(): Promise<void>;
}

/**
 * The server runs only while it is used: its checkpoints must not meet the measurement of another receiver.
 * @param dir of the cluster
 */
export async function startDatabase(dir: string): Promise<BenchDatabase> {
  mkdirSync(dir, { recursive: true });
  const server = await startEmbeddedPostgres({ dataDir: dir, note: (text) => void process.stderr.write(`${text}\n`) });
  const onExit = (): void => {
    try {
      process.kill(server.pid, 'SIGQUIT');
    } catch {
      // already gone
    }
  };
  process.once('exit', onExit);
  const { host, port, user, password } = server;
  const database = `bench_${process.pid}_${Date.now()}`;
  const admin: DatabaseConfig = { ...databaseDefaults, host, port, user, password, database };
  const stop = async (): Promise<void> => {
    await asAdmin(server, (client) => client.query(`drop database if exists ${database} with (force)`)).catch(
      () => undefined,
    );
    await server.stop();
    process.off('exit', onExit);
  };
  try {
    const folder = await asAdmin(server, async (client) => {
      // Of a run that was killed.
      const left = await client.query<{ datname: string }>(
        "select datname from pg_database where datname like 'bench\\_%'",
      );
      for (const { datname } of left.rows) await client.query(`drop database ${datname} with (force)`);
      await client.query(`create database ${database}`);
      // What was there before, and the new database's files, are no business of the measurement.
      await client.query('checkpoint');
      return (await client.query<{ data_directory: string }>('show data_directory')).rows[0]?.data_directory;
    });
    return { admin, pid: server.pid, mount: mountOf(realpathSync(folder ?? join(dir, 'postgres'))), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function asAdmin<T>(
  { host, port, user, password, database }: EmbeddedPostgres,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ host, port, user, password, database });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
