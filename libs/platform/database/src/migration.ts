import type { Migration } from 'kysely/migration';

/** An index on a table that may be large already: built beside the running services, never under a lock they wait for. */
export interface ConcurrentIndex {
  readonly name: string;
  /** In the schema that is migrated. */
  readonly table: string;
  /** What follows the table's name: `(study_instance_uid)`, `using gin (modalities)`, with a `where` if need be. */
  readonly on: string;
}

/** Says that a migration takes something away, and since when nobody misses it. */
export interface Contract {
  /** The released version, e.g. "0.2.0", that was the first to do without. It is older than the one that migrates. */
  readonly unusedSince: string;
  readonly what: string;
}

/**
 * One step of a schema. It only adds (expand): the version before goes on beside it and after a rollback. What takes away
 * names its `contract`. `migrationFaults` holds every migration against that.
 */
export interface SchemaMigration extends Migration {
  /** Built before `up` runs, outside a transaction (CREATE INDEX CONCURRENTLY). */
  readonly indexes?: readonly ConcurrentIndex[];
  readonly contract?: Contract;
}

/** Migrations by name; names sort in the order they run: "0001-study-tables". */
export type Migrations = Readonly<Record<string, SchemaMigration>>;

/** A migration that does nothing but build indexes. */
export const addIndexes = (...indexes: readonly ConcurrentIndex[]): SchemaMigration => ({
  indexes,
  up: () => Promise.resolve(),
});
