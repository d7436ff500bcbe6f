import { setTimeout as sleep } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import { ByteBudget } from './byte-budget.js';

/** mulberry32: the same sizes and pauses in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe('a byte budget', () => {
  it('is never passed, whatever is asked for, and everyone gets their turn', async () => {
    const random = seeded(20261126);
    const budget = new ByteBudget(1_000);
    let held = 0;
    let most = 0;
    const done = await Promise.all(
      Array.from({ length: 300 }, async (_, at) => {
        const byteCount = Math.floor(random() * 600);
        await sleep(random() * 20);
        return budget.hold(byteCount, async () => {
          held += byteCount;
          most = Math.max(most, held);
          await sleep(random() * 3);
          held -= byteCount;
          return at;
        });
      }),
    );
    expect(done).toEqual(Array.from({ length: 300 }, (_, at) => at));
    expect(most).toBeLessThanOrEqual(1_000);
    // Room is used: it is no lock.
    expect(most).toBeGreaterThan(700);
  });

  it('gives what was held back when the work fails, and lets one that wants more than there is have all of it', async () => {
    const budget = new ByteBudget(10);
    await expect(budget.hold(10, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    let alone = true;
    const large = budget.hold(1_000, () => sleep(20).then(() => alone));
    const small = budget.hold(1, () => Promise.resolve((alone = false)));
    expect(await large).toBe(true);
    await small;
  });

  it('does not let small ones overtake a large one for ever', async () => {
    const budget = new ByteBudget(10);
    const order: string[] = [];
    const first = budget.hold(6, () => sleep(10));
    const large = budget.hold(10, () => Promise.resolve(order.push('large')));
    const small = budget.hold(1, () => Promise.resolve(order.push('small')));
    await Promise.all([first, large, small]);
    expect(order).toEqual(['large', 'small']);
  });

  it('gives back some of what was taken, and never more', async () => {
    const budget = new ByteBudget(10);
    const giveBack = await budget.take(8);
    const waiting = budget.take(5);
    giveBack(5);
    giveBack(7);
    (await waiting)();
    giveBack();
    giveBack();
    const all = await budget.take(10);
    await expect(budget.take(1, AbortSignal.timeout(10))).rejects.toThrow();
    all();
  });

  it('lets one that gives up waiting go, and those behind it pass', async () => {
    const budget = new ByteBudget(10);
    const giveBack = await budget.take(6);
    const patience = new AbortController();
    const large = budget.take(10, patience.signal);
    const small = budget.take(4);
    patience.abort(new Error('no longer'));
    await expect(large).rejects.toThrow('no longer');
    (await small)();
    await expect(budget.take(1, patience.signal)).rejects.toThrow('no longer');
    giveBack();
    (await budget.take(10))();
  });
});
