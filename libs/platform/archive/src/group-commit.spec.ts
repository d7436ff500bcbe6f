import { setImmediate as turn } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import { GroupCommit } from './group-commit.js';
import type { Inserted } from './ledger.js';
import type { PendingRow } from './pending-row.js';

const row = (studyInstanceUid: string, sopInstanceUid: string): PendingRow =>
  ({ written: { studyInstanceUid, sopInstanceUid } }) as PendingRow;

/** A ledger in which somebody owns studies until `release`. */
function ledger(...ownedFirst: readonly string[]) {
  const owned = new Set(ownedFirst);
  const released: (() => void)[] = [];
  const batches: { readonly uids: string[]; readonly waits: boolean }[] = [];
  const insert = async (rows: readonly PendingRow[], waits: boolean): Promise<Inserted> => {
    batches.push({ uids: rows.map(({ written }) => written.sopInstanceUid), waits });
    const met = new Set(rows.map(({ written }) => written.studyInstanceUid).filter((study) => owned.has(study)));
    await turn();
    if (waits && met.size > 0) await new Promise<void>((resolve) => released.push(resolve));
    return { known: new Set(), owned: waits ? new Set() : met };
  };
  const release = () => {
    owned.clear();
    for (const resolve of released.splice(0)) resolve();
  };
  return { commits: new GroupCommit(insert, () => false), batches, release };
}
const settled = async (promise: Promise<unknown>): Promise<boolean> => {
  let isSettled = false;
  void promise.then(() => (isSettled = true));
  for (let turns = 0; turns < 20; turns++) await turn();
  return isSettled;
};

describe('a study that somebody owns', () => {
  it('keeps no other waiting, in the same batch or after it', async () => {
    const { commits, batches, release } = ledger('owned');
    const before = commits.add(row('other', '1'));
    const waiting = [commits.add(row('owned', '2')), commits.add(row('owned', '3'))];
    const beside = commits.add(row('other', '4'));
    await Promise.all([before, beside]);
    // One that comes while its study is waited for joins those that wait.
    waiting.push(commits.add(row('owned', '5')));
    expect(await commits.add(row('other', '6'))).toBe(true);
    expect(await settled(Promise.race(waiting))).toBe(false);
    release();
    expect(await Promise.all(waiting)).toEqual([true, true, true]);
    expect(batches).toEqual([
      { uids: ['1'], waits: false },
      { uids: ['2', '3', '4'], waits: false },
      { uids: ['2', '3'], waits: true },
      { uids: ['6'], waits: false },
      { uids: ['5'], waits: true },
    ]);
    expect(await commits.add(row('owned', '7'))).toBe(true);
    expect(batches.at(-1)).toEqual({ uids: ['7'], waits: false });
  });

  it('is waited for with two connections at most, however many are owned', async () => {
    const { commits, batches, release } = ledger('a', 'b', 'c');
    const waiting = ['a', 'b', 'c'].map((study) => commits.add(row(study, study)));
    expect(await settled(Promise.race(waiting))).toBe(false);
    expect(batches.filter(({ waits }) => waits)).toHaveLength(2);
    release();
    expect(await Promise.all(waiting)).toEqual([true, true, true]);
  });
});
