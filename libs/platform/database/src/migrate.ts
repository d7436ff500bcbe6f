import { setTimeout as sleep } from 'node:timers/promises';

import { type Kysely, sql } from 'kysely';
import { Migrator } from 'kysely/migration';

import { allowSilence } from './client.js';
import { buildIndex } from './concurrent-index.js';
import { MigrationBusyError } from './errors.js';
import type { Migrations } from './migration.js';

export interface MigrateOptions {
  /**
   * Migrations that two parties add to one schema are numbered apart: each party's set has a table of its own for what it
   * has run.
   */
  readonly set?: string;
  /** One statement may take this long: an index over 100 M rows does. */
  readonly statementTimeoutMs?: number;
  /**
   * How long a statement waits for the lock of a table. Behind it waits everybody who wants to read that table, so it is
   * far below what a sender notices, and tried again instead.
   */
  readonly lockTimeoutMs?: number;
  /** How long to wait for another replica that migrates, and to try for locks. */
  readonly waitMs?: number;
}

/** Used where a caller states none. */
export const migrateDefaults = { statementTimeoutMs: 3_600_000, lockTimeoutMs: 1_000, waitMs: 600_000 } as const;

/** Between two looks at the advisory lock; it is asked for and not waited for, see `underLock`. */
const lockPollMs = 200;
/** Between two tries for a table's lock: whoever queued behind the first has been served by then. */
const retryAfterMs = 2_000;
const lockNotAvailable = '55P03';
const deadlockDetected = '40P01';

/**
 * Runs what is missing in `schema`, under an advisory lock: of replicas that start together one migrates and the others
 * wait. Each migration is a transaction of its own, so that no lock is held longer than its migration takes; in a schema
 * that nobody uses yet they share some, as Kysely reads the whole catalogue three times for each. The service's role owns
 * its schema and needs no other right.
 * Migrations of a newer version that were applied before are left alone: during an upgrade, and after a rollback,
 * the older version starts on them, which is why a migration only adds what the version before can live with.
 * @throws {MigrationBusyError} and the error of the migration that failed; what was applied before it stays
 */
export async function migrate(
  db: Kysely<never>,
  schema: string,
  migrations: Migrations,
  options: MigrateOptions = {},
): Promise<void> {
  const limits = { ...migrateDefaults, ...options };
  const table = limits.set ? `kysely_migration_${limits.set}` : 'kysely_migration';
  const known = `${schema}.${table}`;
  const work = async (session: Kysely<never>): Promise<void> => {
    // Whoever starts while another builds an index for an hour waits for that only where something is missing here.
    if (isWhole(await applied(session, known), migrations)) return;
    await underLock(session, known, limits.waitMs, async () => {
      // Read before: Kysely asks the provider within its transaction, which holds our only connection.
      const names = await applied(session, known);
      const all = { ...newerThan(names, migrations), ...migrations };
      const migrator = new Migrator({
        db: session,
        provider: { getMigrations: () => Promise.resolve(all) },
        migrationTableSchema: schema,
        allowUnorderedMigrations: false,
        migrationTableName: table,
        migrationLockTableName: `${table}_lock`,
      });
      const deadline = Date.now() + limits.waitMs;
      await sql`select set_config('statement_timeout', ${String(limits.statementTimeoutMs)}, false)`.execute(session);
      for (let done = false; !done;) {
        done = await patiently(deadline, () =>
          step(session, { schema, migrator, migrations, isNew: names.size === 0, lockTimeoutMs: limits.lockTimeoutMs }),
        );
      }
    });
  };
  await allowSilence(limits.statementTimeoutMs, () => db.connection().execute(work));
}

interface Step {
  readonly schema: string;
  readonly migrator: Migrator;
  readonly migrations: Migrations;
  readonly lockTimeoutMs: number;
  /** Nothing was applied when we came: nobody uses its tables yet. */
  readonly isNew: boolean;
}

/** The next migration, or some of a new schema. @returns true when there was none */
async function step(
  session: Kysely<never>,
  { schema, migrator, migrations, lockTimeoutMs, isNew }: Step,
): Promise<boolean> {
  const missing = (await migrator.getMigrations()).filter(({ executedAt }) => executedAt === undefined);
  const [next] = missing;
  // Not in Kysely's transaction, and not under its lock either, which a replica of an older version may be waiting for.
  for (const index of migrations[next?.name ?? '']?.indexes ?? []) await buildIndex(session, schema, index);
  await sql`select set_config('lock_timeout', ${String(lockTimeoutMs)}, false)`.execute(session);
  const together = isNew ? missing.findIndex(({ name }, at) => at > 0 && hasIndexes(migrations, name)) : 1;
  const last = missing.at(together < 0 ? -1 : together - 1);
  // Also where nothing is missing: it is who sees that one of ours has gone.
  const { error, results = [] } = await (last ? migrator.migrateTo(last.name) : migrator.migrateUp());
  if (error) throw error instanceof Error ? error : new Error(`migration of ${schema} failed`);
  return results.length === 0;
}

const hasIndexes = (migrations: Migrations, name: string): boolean => (migrations[name]?.indexes ?? []).length > 0;

/** Tries again while a table is in use, until the deadline. */
async function patiently<T>(deadline: number, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const { code } = error as { readonly code?: unknown };
      if ((code !== lockNotAvailable && code !== deadlockDetected) || Date.now() + retryAfterMs > deadline) throw error;
      await sleep(retryAfterMs);
    }
  }
}

/**
 * The lock is asked for again and again instead of waited for: a session that waits holds a snapshot, and an index that is
 * built beside it (CREATE INDEX CONCURRENTLY) waits for every older snapshot; both would wait for ever.
 */
async function underLock(
  session: Kysely<never>,
  name: string,
  waitMs: number,
  work: () => Promise<void>,
): Promise<void> {
  const key = sql`hashtext('callosum.migrate'), hashtext(${name})`;
  for (const deadline = Date.now() + waitMs; ; await sleep(lockPollMs)) {
    const { rows } = await sql<{ mine: boolean }>`select pg_try_advisory_lock(${key}) as mine`.execute(session);
    if (rows[0]?.mine) break;
    if (Date.now() > deadline) throw new MigrationBusyError(name);
  }
  try {
    await work();
  } finally {
    // The connection goes back to its pool as it came. One that is lost has given up its lock already.
    for (const undo of [
      sql`reset statement_timeout`,
      sql`reset lock_timeout`,
      sql`select pg_advisory_unlock(${key})`,
    ]) {
      await undo.execute(session).catch(() => undefined);
    }
  }
}

/** Names of the migrations that `table` says were applied; none where it is not there. */
async function applied(db: Kysely<never>, table: string): Promise<ReadonlySet<string>> {
  const { rows: found } = await sql<{ there: boolean }>`select to_regclass(${table}) is not null as there`.execute(db);
  if (!found[0]?.there) return new Set();
  const { rows } = await sql<{ name: string }>`select name from ${sql.table(table)}`.execute(db);
  return new Set(rows.map(({ name }) => name));
}

const lastOf = (migrations: Migrations): string => Object.keys(migrations).sort().at(-1) ?? '';

/** All of ours were applied, and besides only newer ones; what else was applied is for Kysely to refuse. */
function isWhole(names: ReadonlySet<string>, migrations: Migrations): boolean {
  const last = lastOf(migrations);
  const ours = Object.keys(migrations);
  return ours.every((name) => names.has(name)) && [...names].every((name) => name in migrations || name > last);
}

/**
 * Applied migrations whose names sort behind all of `migrations`. Kysely takes an applied migration it does not know for
 * corruption; one that sorts among ours still is that.
 */
function newerThan(names: ReadonlySet<string>, migrations: Migrations): Migrations {
  const last = lastOf(migrations);
  const up = (): Promise<void> => Promise.reject(new Error('a newer version applies this migration'));
  return Object.fromEntries([...names].filter((name) => name > last).map((name) => [name, { up }]));
}
