import { type Kysely, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';

/** Migrations by name; names sort in the order they run: "0001-study-tables". */
export type Migrations = Readonly<Record<string, Migration>>;

/**
 * Runs what is missing in `schema`, under Kysely's advisory lock: of replicas that start together one
 * migrates and the others wait. The service's role owns its schema and needs no other right.
 * Migrations of a newer version that were applied before are left alone: during an upgrade, and after a rollback,
 * the older version starts on them, which is why a migration only adds what the version before can live with.
 * Migrations that two parties add to one schema are numbered apart: each party's `set` has a table of its own for what
 * it has run.
 * @throws the error of the migration that failed; what was applied before it stays
 */
export async function migrate(db: Kysely<never>, schema: string, migrations: Migrations, set?: string): Promise<void> {
  const table = set ? `kysely_migration_${set}` : 'kysely_migration';
  const known = `${schema}.${table}`;
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => ({ ...(await newerThan(db, known, migrations)), ...migrations }) },
    migrationTableSchema: schema,
    allowUnorderedMigrations: false,
    migrationTableName: table,
    migrationLockTableName: `${table}_lock`,
  });
  const { error } = await migrator.migrateToLatest();
  if (error) throw error instanceof Error ? error : new Error(`migration of ${schema} failed`);
}

/**
 * Migrations that `table` says were applied whose names sort behind all of `migrations`. Kysely takes an applied migration it does not
 * know for corruption; one that sorts among ours still is that.
 */
async function newerThan(db: Kysely<never>, table: string, migrations: Migrations): Promise<Migrations> {
  const last = Object.keys(migrations).sort().at(-1) ?? '';
  const { rows: found } = await sql<{ there: boolean }>`select to_regclass(${table}) is not null as there`.execute(db);
  if (!found[0]?.there) return {};
  const { rows } = await sql<{ name: string }>`select name from ${sql.table(table)}`.execute(db);
  const applied = (): Promise<void> => Promise.reject(new Error('a newer version applies this migration'));
  return Object.fromEntries(rows.filter(({ name }) => name > last).map(({ name }) => [name, { up: applied }]));
}
