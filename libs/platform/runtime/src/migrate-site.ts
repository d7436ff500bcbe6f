import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { parseSettings, wholeNumber } from '@callosum/config';
import {
  connect,
  databaseDefaults,
  isTransientDatabaseError,
  migrateDefaults,
  type MigrateOptions,
} from '@callosum/database';
import { CallosumError } from '@callosum/kernel';
import type { Logger } from '@callosum/telemetry';
import pg from 'pg';
import { z } from 'zod';

import type { ServiceDefinition } from './definition.js';
import { migrateService } from './migrate-service.js';
import { preparePlatform, type PreparePlatformOptions } from './prepare-platform.js';
import { roleSpecs } from './roles.js';
import { type PlatformSettings, platformSettings } from './settings.js';

/** What `migrate` reads beside the database's and the log's settings of every service. */
export const migrationSettings = z.object({
  CALLOSUM_DATABASE_ADMIN_USER: z
    .string()
    .min(1)
    .describe('Role that may create roles and schemas in the database; it need not be a superuser'),
  CALLOSUM_DATABASE_ADMIN_PASSWORD: z.string().min(1).describe('Password of that role'),
  CALLOSUM_DATABASE_PASSWORDS_DIR: z
    .string()
    .min(1)
    .describe("Folder with one file per role, named after it, that holds the role's password (a mounted Secret)"),
  CALLOSUM_MIGRATION_WAIT_MS: wholeNumber(0, 3_600_000)
    .default(300_000)
    .describe(
      'How long to wait for a database that does not answer yet, for another process that migrates, and to try for the locks of tables, in milliseconds',
    ),
  CALLOSUM_MIGRATION_STATEMENT_MS_MAX: wholeNumber(1_000, 86_400_000)
    .default(migrateDefaults.statementTimeoutMs)
    .describe('One statement of a migration may take this long, in milliseconds: an index over 100 M rows does'),
  CALLOSUM_MIGRATION_LOCK_MS_MAX: wholeNumber(10, 60_000)
    .default(migrateDefaults.lockTimeoutMs)
    .describe(
      'A migration waits this long for the lock of a table, in milliseconds, and with it everybody who wants to read it; then it lets them pass and tries again',
    ),
});

/** Thrown when the folder of passwords has no file, or an empty one, for a role. */
export class MissingPasswordError extends CallosumError {
  constructor(roles: readonly string[], folder: string) {
    super('migrate.missing-password', 'invalid', `${folder} holds no password for ${roles.join(', ')}`);
  }
}

/** A database that is being created, or fails over, is asked again after this time. */
const retryMs = 1_000;

/**
 * Brings a site's database to this version before any of its pods starts: roles, schemas and passwords, the shared
 * tables, then each service's own. Idempotent, and safe beside running services of the version before: migrations only
 * add (expand); what the older version still reads is dropped by a later version (contract).
 * @throws {SettingsError} {MissingPasswordError} {DatabaseUnavailableError} and what a migration throws
 */
export async function migrateSite(
  definitions: readonly ServiceDefinition[],
  env: NodeJS.ProcessEnv,
  logger: Logger,
): Promise<void> {
  const settings = parseSettings(platformSettings, env);
  const own = parseSettings(migrationSettings, env);
  const eventLogInPostgres = settings.CALLOSUM_EVENT_LOG === 'postgres';
  const passwordOf = passwordsIn(own.CALLOSUM_DATABASE_PASSWORDS_DIR, definitions, eventLogInPostgres);
  const admin = {
    host: settings.CALLOSUM_DATABASE_HOST,
    port: settings.CALLOSUM_DATABASE_PORT,
    database: settings.CALLOSUM_DATABASE_NAME,
    user: own.CALLOSUM_DATABASE_ADMIN_USER,
    password: own.CALLOSUM_DATABASE_ADMIN_PASSWORD,
  };
  await answers(admin, own.CALLOSUM_MIGRATION_WAIT_MS, logger);
  const limits = {
    statementTimeoutMs: own.CALLOSUM_MIGRATION_STATEMENT_MS_MAX,
    lockTimeoutMs: own.CALLOSUM_MIGRATION_LOCK_MS_MAX,
    waitMs: own.CALLOSUM_MIGRATION_WAIT_MS,
  };
  await preparePlatform({ admin, definitions, passwordOf, eventLogInPostgres, limits });
  logger.info({ roles: definitions.length }, 'platform.prepared');
  for (const definition of definitions) {
    await migrateAs(definition, settings, passwordOf(definition.schema), limits);
    logger.info({ schema: definition.schema }, 'schema.migrated');
  }
}

/** As the role that owns the schema. */
async function migrateAs(
  definition: ServiceDefinition,
  settings: PlatformSettings,
  password: string,
  limits: MigrateOptions,
): Promise<void> {
  const config = {
    ...databaseDefaults,
    host: settings.CALLOSUM_DATABASE_HOST,
    port: settings.CALLOSUM_DATABASE_PORT,
    database: settings.CALLOSUM_DATABASE_NAME,
    user: definition.schema,
    password,
    poolMax: 2,
  };
  const database = connect<never>(config, definition.schema, () => undefined);
  try {
    await migrateService(database.db, definition, limits);
  } finally {
    await database.close();
  }
}

/** @throws {MissingPasswordError} */
export function passwordsIn(
  folder: string,
  definitions: readonly ServiceDefinition[],
  eventLogInPostgres: boolean,
): (role: string) => string {
  // Editors and `kubectl create secret --from-file` leave a line end behind.
  const read = (role: string): string =>
    existsSync(join(folder, role)) ? readFileSync(join(folder, role), 'utf8').replace(/\r?\n$/, '') : '';
  const missing = roleSpecs(definitions, read, eventLogInPostgres).filter(({ password }) => password === '');
  if (missing.length > 0)
    throw new MissingPasswordError(
      missing.map(({ role }) => role),
      folder,
    );
  return read;
}

/** Waits until the administrator can log in. */
async function answers(admin: PreparePlatformOptions['admin'], waitMs: number, logger: Logger): Promise<void> {
  const deadline = Date.now() + waitMs;
  for (let tries = 0; ; tries++) {
    const client = new pg.Client({ ...admin, connectionTimeoutMillis: 10_000 });
    // A server that goes away between two queries must not end the process.
    client.on('error', () => undefined);
    try {
      await client.connect();
      return;
    } catch (error) {
      const code = (error as { code?: unknown }).code;
      // A service name that does not resolve yet is a database that is not there yet.
      if (!(isTransientDatabaseError(error) || code === 'ENOTFOUND' || code === 'EAI_AGAIN') || Date.now() > deadline)
        throw error;
      if (tries === 0) logger.info({ code }, 'database.awaited');
      await sleep(retryMs);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}
