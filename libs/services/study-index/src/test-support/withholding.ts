import { PostgresOutbox } from '@callosum/event-log';
import { systemClock } from '@callosum/kernel';

import { PostgresIndexTransaction } from '../adapters/index-transaction.js';
import { readInstance } from '../application/read-instance.js';
import { restoreInstances, withholdInstances } from '../application/withhold.js';
import type { Withholding } from '../application/withholdings.js';
import type { StoredInstance } from '../domain/instance.js';
import { ledger, reader, slice, store, uid } from './objects.js';
import { database, index, periods } from './study-index.js';

// What tombstones say, as the index takes it up.

const outbox = new PostgresOutbox({ service: 'study-index' });
export const within = <T>(work: (index: PostgresIndexTransaction) => Promise<T>): Promise<T> =>
  database.db.transaction().execute((trx) => work(new PostgresIndexTransaction(trx, outbox, systemClock)));
export const of = (sequence: number, ...stored: StoredInstance[]): Withholding => ({
  studyInstanceUid: uid('s'),
  sequence,
  isNotes: false,
  instances: stored.map(({ seriesInstanceUid, sopInstanceUid }) => ({ seriesInstanceUid, sopInstanceUid })),
});
export const byNote = (withholding: Withholding): Withholding => ({ ...withholding, isNotes: true });
export const hide = (withholding: Withholding): Promise<number> => {
  // The archive does not tell of what it hides.
  for (const { sopInstanceUid } of withholding.instances) ledger.delete(sopInstanceUid);
  return within((index) => withholdInstances(index, withholding, periods));
};
export const restore = async (withholding: Withholding, ...stored: StoredInstance[]): Promise<number> => {
  for (const one of stored) ledger.set(one.sopInstanceUid, one);
  const records = await Promise.all(stored.map((one) => readInstance(reader, one)));
  return within((index) => restoreInstances(index, withholding, records, periods));
};
export const kept = async (series: string, number: number, more = {}): Promise<StoredInstance> => {
  const stored = store(slice('s', series, number, more));
  await index(stored);
  return stored;
};
export const uidsOf = (...stored: StoredInstance[]): string[] => stored.map((one) => one.sopInstanceUid).sort();
