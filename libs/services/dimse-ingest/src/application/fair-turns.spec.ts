import { describe, expect, it } from 'vitest';

import { FairTurns } from './fair-turns.js';

/** Whether it is there without anybody giving anything back. */
const isThere = (taken: Promise<unknown>): Promise<boolean> =>
  Promise.race([taken.then(() => true), new Promise<boolean>((resolve) => setImmediate(() => resolve(false)))]);

describe('turns that are waited for', () => {
  it('are half for one at most, and the others go past those who wait for theirs', async () => {
    const turns = new FairTurns(4);
    const [first] = [await turns.take('ONE'), await turns.take('ONE')];
    const third = turns.take('ONE');
    expect(await isThere(third)).toBe(false);
    expect(await isThere(turns.take('TWO'))).toBe(true);
    expect(await isThere(turns.take('THREE'))).toBe(true);
    const full = turns.take('FOUR');
    expect(await isThere(full)).toBe(false);
    // Given back twice, one is free.
    first?.();
    first?.();
    expect(await isThere(full)).toBe(true);
    expect(await isThere(third)).toBe(false);
    (await full)();
    expect(await isThere(third)).toBe(true);
  });

  it('are not waited for any more once the signal says so, and nobody loses one by it', async () => {
    const turns = new FairTurns(1);
    const giveBack = await turns.take('ONE');
    const stop = new AbortController();
    const gone = [turns.take('ONE', stop.signal), turns.take('TWO', stop.signal)];
    stop.abort(new Error('gone'));
    for (const one of gone) await expect(one).rejects.toThrow('gone');
    giveBack();
    expect(await isThere(turns.take('TWO'))).toBe(true);
  });
});
