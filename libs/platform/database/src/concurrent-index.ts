import { type Kysely, sql } from 'kysely';

import type { ConcurrentIndex } from './migration.js';

/**
 * Builds an index while everybody reads and writes. Not in a transaction. Again after a failure: what an interrupted build
 * left is invalid, costs every write and answers nothing, and is dropped first.
 * @param db one connection, whose statements may take as long as the build does
 */
export async function buildIndex(
  db: Kysely<never>,
  schema: string,
  { name, table, on }: ConcurrentIndex,
): Promise<void> {
  // Waits for whoever writes, and nobody waits for it: no lock of it stands in the way of a read or a write.
  await sql`set lock_timeout = 0`.execute(db);
  const { rows } = await sql<{ valid: boolean }>`
    select indisvalid as valid from pg_index where indexrelid = to_regclass(${`${schema}.${name}`})`.execute(db);
  if (rows[0]?.valid) return;
  if (rows[0]) await sql`drop index concurrently ${sql.id(schema, name)}`.execute(db);
  await sql`create index concurrently ${sql.id(name)} on ${sql.id(schema, table)} ${sql.raw(on)}`.execute(db);
}
