import { connect, migrate, type Database, type DatabaseConfig } from '@callosum/database';
import { sql } from 'kysely';

import type { EventLog } from '../event-log.js';
import { KafkaEventLog } from '../kafka/log.js';
import { PostgresEventLog } from '../postgres/log.js';
import { eventLogMigrations } from '../postgres/migrations.js';
import type { KafkaSecurity } from '../kafka/security.js';
import type { KafkaTuning } from '../kafka/subscription.js';
import { eventTablesMigrations, operationsMigrations, operationsSet } from '../tables.js';

/** Which log, and where: passed to child processes as JSON. */
export type LogTarget =
  | { readonly adapter: 'postgres'; readonly database: DatabaseConfig }
  | {
      readonly adapter: 'kafka';
      readonly brokers: readonly string[];
      readonly security?: KafkaSecurity;
      readonly tuning?: Partial<KafkaTuning>;
    };

/** One process' own view of the log, with short leases so that a crash is noticed within a second. */
export interface OpenLog {
  readonly log: EventLog;
  close(): Promise<void>;
}

const quiet = (): void => undefined;

export function openLog(target: LogTarget, onError: (error: unknown) => void = quiet): OpenLog {
  if (target.adapter === 'kafka') {
    const log = new KafkaEventLog({
      brokers: target.brokers,
      clientId: 'contract',
      onError,
      ...(target.security ? { security: target.security } : {}),
      tuning: { sessionTimeoutMs: 3_000, drainMs: 5_000, ...target.tuning },
    });
    return { log, close: () => log.close() };
  }
  const database = connect<unknown>(target.database, 'event_log', quiet);
  const log = new PostgresEventLog({ db: database.db, onError, tuning: { leaseMs: 1_000, drainMs: 5_000 } });
  return {
    log,
    close: async () => {
      await log.close();
      await database.close();
    },
  };
}

export async function migrateLog(config: DatabaseConfig): Promise<void> {
  const database = connect<never>(config, 'event_log', quiet);
  await sql`create schema event_log`.execute(database.db);
  await migrate(database.db, 'event_log', eventLogMigrations);
  await database.close();
}

/** A service's own schema with outbox, inbox and parked work, and one table for its state. */
export async function openService(config: DatabaseConfig, schema: string): Promise<Database<unknown>> {
  const database = connect<unknown>(config, schema, quiet);
  await sql`create schema ${sql.id(schema)}`.execute(database.db);
  await migrate(database.db as never, schema, eventTablesMigrations);
  await migrate(database.db as never, schema, operationsMigrations, { set: operationsSet });
  await sql`create table effects (id bigint generated always as identity, event_id text not null, note text not null)`.execute(
    database.db,
  );
  return database;
}
