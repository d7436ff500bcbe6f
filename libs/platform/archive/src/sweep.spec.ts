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

it('tells of a blob that a recovery gave a row no more, though the walk is elsewhere by then', async () => {
  const store = new FileObjectStore({ root: folder, diskFreeBytesMin: 0 });
  const put = async (daysAgo: number): Promise<string> => {
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
  };
  // A round takes a hundred days: the next one does not come to the first of these.
  const [lost, alsoLost, oldest] = [await put(5), await put(6), await put(350)];
  const rows = new Set([oldest]);
  const ledger = {
    named: (keys: readonly string[]) => Promise.resolve(new Set(keys.filter((key) => rows.has(key)))),
    isEmpty: () => Promise.resolve(false),
    kept: () => Promise.resolve([]),
  } as unknown as Ledger;
  const logger = createLogger('test', 'silent');
  const sweep = new Sweep({ store, ledger, rule: {} as RuleTwo, site: 'default', clock: systemClock, logger });
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
