import { describe, expect, it } from 'vitest';

import { Turns } from './turns.js';

describe('turns', () => {
  it('let so many work at once, and the others in the order they came, also after a failure', async () => {
    const turns = new Turns(2);
    const log: string[] = [];
    const ends: (() => void)[] = [];
    const work = (name: string, fails = false) =>
      turns
        .run(async () => {
          log.push(name);
          await new Promise<void>((resolve) => ends.push(resolve));
          if (fails) throw new Error(name);
        })
        .catch(() => log.push(`${name} failed`));
    const all = [work('a', true), work('b'), work('c'), work('d')];
    await Promise.resolve();
    expect(log).toEqual(['a', 'b']);
    ends.shift()?.();
    await expect.poll(() => log).toEqual(expect.arrayContaining(['a failed', 'c']));
    expect(log).not.toContain('d');
    while (log.filter((line) => line.length === 1).length < 4 || ends.length > 0) {
      ends.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(all);
    expect(log.filter((line) => line.length === 1)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('are not waited for any more once the signal says so, and nobody loses one by it', async () => {
    const turns = new Turns(1);
    const giveBack = await turns.take();
    const stop = new AbortController();
    const gone = turns.take(stop.signal);
    const next = turns.take();
    stop.abort(new Error('gone'));
    await expect(gone).rejects.toThrow('gone');
    await expect(turns.take(stop.signal)).rejects.toThrow('gone');
    // Given back twice, one is free.
    giveBack();
    giveBack();
    await next;
    const last = turns.take(AbortSignal.timeout(50));
    await expect(last).rejects.toThrow();
  });
});
