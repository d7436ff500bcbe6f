import type { Kysely } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';

/** Migrations by name; names sort in the order they run: "0001-study-tables". */
export type Migrations = Readonly<Record<string, Migration>>;

/**
 * Runs what is missing in `schema`, under Kysely's advisory lock: of replicas that start together one
 * migrates and the others wait. The service's role owns its schema and needs no other right. Migrations that two
 * parties add to one schema are numbered apart: each party's `set` has a table of its own for what it has run.
 * @throws the error of the migration that failed; what was applied before it stays
 */
export async function migrate(db: Kysely<never>, schema: string, migrations: Migrations, set?: string): Promise<void> {
  const migrator = new Migrator({
    db,
    provider: { getMigrations: () => Promise.resolve({ ...migrations }) },
    migrationTableSchema: schema,
    allowUnorderedMigrations: false,
    ...(set
      ? { migrationTableName: `kysely_migration_${set}`, migrationLockTableName: `kysely_migration_${set}_lock` }
      : {}),
  });
  const { error } = await migrator.migrateToLatest();
  if (error) throw error instanceof Error ? error : new Error(`migration of ${schema} failed`);
}
