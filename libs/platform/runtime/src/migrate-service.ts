import { migrate, type MigrateOptions } from '@callosum/database';
import { eventTablesMigrations, operationsMigrations, operationsSet } from '@callosum/event-log';
import type { Kysely } from 'kysely';

import type { ServiceDefinition } from './definition.js';

/**
 * Brings a service's schema to this version: the tables events need, its own, and those of operations, which are a set
 * of their own so that neither numbers the other's.
 * @throws the error of the migration that failed; what was applied before it stays
 */
export async function migrateService(
  db: Kysely<never>,
  { schema, migrations }: Pick<ServiceDefinition, 'schema' | 'migrations'>,
  limits: Omit<MigrateOptions, 'set'> = {},
): Promise<void> {
  await migrate(db, schema, { ...eventTablesMigrations, ...migrations }, limits);
  await migrate(db, schema, operationsMigrations, { ...limits, set: operationsSet });
}
