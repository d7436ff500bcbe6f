import { archiveMigrations } from '@callosum/archive';
import {
  connect,
  databaseDefaults,
  migrate,
  type MigrateOptions,
  type Migrations,
  provision,
} from '@callosum/database';
import { eventLogMigrations, eventTablesMigrations, operationsMigrations, operationsSet } from '@callosum/event-log';

import type { ServiceDefinition } from './definition.js';
import { archiveSchema, eventLogSchema, roleSpecs } from './roles.js';

export interface PreparePlatformOptions {
  /** An administrator's connection to the site's database. */
  readonly admin: { host: string; port: number; user: string; password: string; database: string };
  readonly definitions: readonly ServiceDefinition[];
  readonly passwordOf: (role: string) => string;
  readonly eventLogInPostgres: boolean;
  /** How long migrations may take, and wait. */
  readonly limits?: Omit<MigrateOptions, 'set'>;
}

/**
 * What must be in the database before the services start: their roles and schemas, and the tables of the shared
 * schemas, made by the roles that own them. Idempotent; several processes may run it at once.
 */
export async function preparePlatform(options: PreparePlatformOptions): Promise<void> {
  const { admin, definitions, passwordOf, eventLogInPostgres } = options;
  const specs = roleSpecs(definitions, passwordOf, eventLogInPostgres);
  await provision(admin, specs);
  const shared: [string, Migrations][] = [[archiveSchema, { ...eventTablesMigrations, ...archiveMigrations }]];
  if (eventLogInPostgres) shared.push([eventLogSchema, eventLogMigrations]);
  for (const [schema, migrations] of shared) {
    const role = { user: schema, password: passwordOf(schema), poolMax: 2 };
    const config = { ...databaseDefaults, ...admin, ...role };
    const database = connect<never>(config, schema, () => undefined);
    try {
      await migrate(database.db, schema, migrations, options.limits);
      if (schema === archiveSchema)
        await migrate(database.db, schema, operationsMigrations, { ...options.limits, set: operationsSet });
    } finally {
      await database.close();
    }
  }
}
