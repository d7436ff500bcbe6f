import { sql, type QueryExecutorProvider } from 'kysely';

import type { ParkedKey } from './parked-types.js';
import type { SqlTransaction } from './sql.js';

const lockName = ({ group, topic, key }: ParkedKey): string => JSON.stringify([group, topic, key]);

/** Until the end of the transaction: nobody else parks a fact of the key or takes one away. */
export async function lockKey(trx: SqlTransaction, parked: ParkedKey): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('callosum.parked'), hashtext(${lockName(parked)}))`.execute(trx);
}

/** One replay or drop of a key at a time, in all replicas. @returns false when another one is at it */
export async function tryReplayLock(
  connection: QueryExecutorProvider,
  parked: ParkedKey,
  until: 'session' | 'transaction' = 'session',
): Promise<boolean> {
  const lock = sql.raw(until === 'session' ? 'pg_try_advisory_lock' : 'pg_try_advisory_xact_lock');
  const { rows } = await sql<{ mine: boolean }>`
    select ${lock}(hashtext('callosum.replay'), hashtext(${lockName(parked)})) as mine`.execute(connection);
  return rows[0]?.mine ?? false;
}

export async function unlockReplay(connection: QueryExecutorProvider, parked: ParkedKey): Promise<void> {
  await sql`select pg_advisory_unlock(hashtext('callosum.replay'), hashtext(${lockName(parked)}))`.execute(connection);
}
