import { connect, type Database, type DatabaseConfig, migrate } from '@callosum/database';
import { eventTablesMigrations, PostgresOutbox } from '@callosum/event-log';
import type { ObjectStore } from '@callosum/object-store';
import { createLogger } from '@callosum/telemetry';
import { sql } from 'kysely';

import { Archive, archiveMigrations, type ArchiveOptions } from '../index.js';

/** The schema `archive` with its tables, as the platform prepares it. */
export async function prepareArchive(config: DatabaseConfig): Promise<void> {
  const database = connect<never>(config, 'archive', () => undefined);
  await sql`create schema if not exists archive`.execute(database.db);
  await migrate(database.db, 'archive', { ...eventTablesMigrations, ...archiveMigrations });
  await database.close();
}

export interface OpenArchive {
  readonly archive: Archive;
  readonly database: Database<never>;
}

/** One replica's archive, with a pool of its own. */
export function openArchive(
  config: DatabaseConfig,
  objectStore: ObjectStore,
  outboxRowsMax = 1_000_000,
  options: Partial<Pick<ArchiveOptions, 'compareBudget' | 'logger' | 'clock' | 'conflicts'>> = {},
): OpenArchive {
  const database = connect<never>(config, 'archive', () => undefined);
  const outbox = new PostgresOutbox({ service: 'dimse-ingest', outboxRowsMax });
  const logger = createLogger('archive-test', 'silent');
  return { archive: new Archive({ database, objectStore, outbox, site: 'default', logger, ...options }), database };
}
