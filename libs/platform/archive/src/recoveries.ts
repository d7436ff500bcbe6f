import { ObjectExistsError, type ObjectStore } from '@callosum/object-store';

import { RecoveriesExhaustedError } from './errors.js';

/**
 * Room for the revisions of one study between two recoveries: each takes at least one instance that came, and no
 * study has so many.
 */
const revisionsPerRecovery = 100_000;
/** A revision is a signed 32-bit number everywhere. */
const recoveriesMax = Math.floor((2 ** 31 - 1) / revisionsPerRecovery) - 1;

/**
 * Counts recoveries of a site in the object store, where the count outlives every database, and gives the lowest
 * revision for studies that this recovery opens. It lies above all that were ever told of, whatever the index, the
 * ledger or a restored backup of them know.
 * @throws {RecoveriesExhaustedError} @throws {ObjectStoreUnavailableError}
 */
export async function nextRevisionFloor(store: ObjectStore, site: string, startedAt: Date): Promise<number> {
  const prefix = `${site}/recoveries/`;
  for (;;) {
    let last = 0;
    for await (const { key } of store.list(prefix)) last = Math.max(last, Number(key.slice(prefix.length)) || 0);
    const recovery = last + 1;
    if (recovery > recoveriesMax) throw new RecoveriesExhaustedError(recoveriesMax);
    try {
      await store.put(`${prefix}${String(recovery).padStart(5, '0')}`, note(startedAt));
      return recovery * revisionsPerRecovery;
    } catch (error) {
      // Another one began at the same moment.
      if (!(error instanceof ObjectExistsError)) throw error;
    }
  }
}

async function* note(startedAt: Date): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  yield Buffer.from(JSON.stringify({ startedAt: startedAt.toISOString() }));
}
