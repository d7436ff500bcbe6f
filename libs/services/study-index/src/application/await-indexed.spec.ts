import { describe, expect, it } from 'vitest';

import { awaitIndexed, type IndexedBlobs } from './await-indexed.js';

/** Knows one blob more each time it is asked, in this order. */
function indexOf(order: readonly string[]): IndexedBlobs & { readonly asked: string[][] } {
  const known = new Set<string>();
  const asked: string[][] = [];
  return {
    asked,
    unindexed: (_study, keys) => {
      asked.push([...keys]);
      const missing = keys.filter((key) => !known.has(key));
      const next = order.find((key) => !known.has(key));
      if (next !== undefined) known.add(next);
      return Promise.resolve(missing);
    },
  };
}

describe('waiting for the index', () => {
  it('ends as soon as all are there, and asks only for what was missing', async () => {
    const index = indexOf(['c', 'a', 'b']);
    const begun = performance.now();
    expect(await awaitIndexed(index, '1.2', ['a', 'b', 'c'], 60_000)).toEqual([]);
    expect(performance.now() - begun).toBeLessThan(30_000);
    expect(index.asked).toEqual([['a', 'b', 'c'], ['a', 'b', 'c'], ['a', 'b'], ['b']]);
  });

  it('ends with the time, and says what is missing, in the order asked', async () => {
    const index = indexOf(['b']);
    const begun = performance.now();
    expect(await awaitIndexed(index, '1.2', ['c', 'b', 'a'], 120)).toEqual(['c', 'a']);
    expect(performance.now() - begun).toBeGreaterThanOrEqual(119);
  });

  it('of no milliseconds looks once', async () => {
    const index = indexOf([]);
    expect(await awaitIndexed(index, '1.2', ['a'], 0)).toEqual(['a']);
    expect(index.asked).toHaveLength(1);
  });

  it('ends when nobody waits any more', async () => {
    const ended = new AbortController();
    const waiting = awaitIndexed(indexOf([]), '1.2', ['a'], 60_000, ended.signal);
    ended.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow();
  });

  it('looks less often where looking takes long', async () => {
    let asked = 0;
    const slow: IndexedBlobs = {
      unindexed: async (_study, keys) => {
        asked++;
        await new Promise((resolve) => setTimeout(resolve, 50));
        return keys;
      },
    };
    await awaitIndexed(slow, '1.2', ['a'], 600);
    // Every 250 ms, and once at the end; every 75 ms without.
    expect(asked).toBeLessThanOrEqual(4);
  });
});
