import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { newId, systemClock, uuidToUid } from '@callosum/kernel';
import { FileObjectStore } from '@callosum/object-store';
import { tinyCt } from '@callosum/phantom';
import { createLogger } from '@callosum/telemetry';
import { afterAll, expect, it } from 'vitest';

import { newBlobKey } from './blob-key.js';
import type { Ledger } from './ledger.js';
import type { RuleTwo } from './rule-two.js';
import { Sweep } from './sweep.js';

const folder = await mkdtemp(join(tmpdir(), 'callosum-sweep-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

const storeIn = (name: string): FileObjectStore =>
  new FileObjectStore({ root: join(folder, name), diskFreeBytesMin: 0 });

async function put(store: FileObjectStore, daysAgo: number): Promise<string> {
  const at = new Date(Date.now() - daysAgo * 86_400_000);
  const key = newBlobKey('default', { origin: 'dimse', source: 'CT1' }, at);
  const { bytes } = tinyCt({ SOPInstanceUID: uuidToUid(newId()) }, 1);
  await store.put(
    key,
    (async function* () {
      await Promise.resolve();
      yield bytes;
    })(),
  );
  return key;
}

/** A ledger that has these rows, whose objects nobody kept before. */
const ledgerOf = (rows: ReadonlySet<string>, asked: number[] = []): Ledger =>
  ({
    named: (keys: readonly string[]) => {
      asked.push(keys.length);
      return Promise.resolve(new Set(keys.filter((key) => rows.has(key))));
    },
    isEmpty: () => Promise.resolve(false),
    kept: () => Promise.resolve([]),
  }) as unknown as Ledger;

const parts = { rule: {} as RuleTwo, site: 'default', clock: systemClock, logger: createLogger('test', 'silent') };

it('tells of a blob that a recovery gave a row no more, though the walk is elsewhere by then', async () => {
  const store = storeIn('recovered');
  // A round takes a hundred days: the next one does not come to the first of these.
  const [lost, alsoLost, oldest] = [await put(store, 5), await put(store, 6), await put(store, 350)];
  const rows = new Set([oldest]);
  const sweep = new Sweep({ ...parts, store, ledger: ledgerOf(rows) });
  const counts: (number | undefined)[] = [];
  const turn = async (): Promise<void> => {
    expect(await sweep.run(-60_000)).toBe(0);
    counts.push(sweep.unknownBlobs);
  };
  await turn();
  rows.add(lost);
  await turn();
  rows.add(alsoLost);
  await turn();
  expect(counts).toEqual([2, 1, 0]);
});

it('remembers no more unknown blobs than it may, over all rounds, and asks of no more', async () => {
  const store = storeIn('many');
  // The second two lie where only a later round comes: one takes a hundred days.
  const young = [await put(store, 5), await put(store, 6)];
  const older = [await put(store, 150), await put(store, 160)];
  const rows = new Set([await put(store, 350)]);
  const asked: number[] = [];
  const sweep = new Sweep({ ...parts, store, ledger: ledgerOf(rows, asked) }, 3);
  const turn = async (): Promise<number | undefined> => {
    expect(await sweep.run(-60_000)).toBe(0);
    return sweep.unknownBlobs;
  };
  expect(await turn()).toBe(2);
  // At least so many.
  expect(await turn()).toBe(3);
  asked.length = 0;
  for (let round = 0; round < 4; round++) expect(await turn()).toBe(3);
  expect(Math.max(...asked)).toBe(3);
  for (const key of young) rows.add(key);
  await turn();
  for (let round = 0; round < 4; round++) await turn();
  // There is room again for what was left out.
  expect(sweep.unknownBlobs).toBe(2);
  for (const key of older) rows.add(key);
  expect(await turn()).toBe(0);
});
