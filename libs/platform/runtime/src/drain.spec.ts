import { setTimeout as sleep } from 'node:timers/promises';

import { describe, expect, it, vi } from 'vitest';

import { closingMsMax, Drain } from './drain.js';

const never = new Promise<never>(() => undefined);

describe('a drain', () => {
  it('tells parts when it begins, also those that ask late', () => {
    const drain = new Drain(1_000);
    const told: string[] = [];
    drain.onBegin(() => told.push('early'));
    expect(told).toEqual([]);
    drain.begin();
    drain.begin();
    drain.onBegin(() => told.push('late'));
    expect(told).toEqual(['early', 'late']);
  });

  it('waits for work, and passes its failure on', async () => {
    const drain = new Drain(1_000);
    drain.begin();
    await drain.within(sleep(20));
    await expect(drain.within(Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    expect(drain.over.aborted).toBe(false);
  });

  it('abandons work when the grace is over, and waits no longer than the closing takes', async () => {
    vi.useFakeTimers();
    try {
      const drain = new Drain(1_000);
      const abandon = vi.fn();
      let waited = false;
      const within = drain.within(never, abandon).then(() => (waited = true));
      drain.begin();
      await vi.advanceTimersByTimeAsync(900);
      expect([drain.remainingMs, abandon.mock.calls.length]).toEqual([100, 0]);
      await vi.advanceTimersByTimeAsync(100);
      expect([drain.remainingMs, abandon.mock.calls.length, waited]).toEqual([0, 1, false]);
      await vi.advanceTimersByTimeAsync(closingMsMax);
      await within;
      expect(waited).toBe(true);
      // What comes later is not waited for either.
      await drain.within(never, abandon);
      expect(abandon).toHaveBeenCalledTimes(2);
    } finally {
      vi.useRealTimers();
    }
  });

  it('abandons nothing that ended in time', async () => {
    const drain = new Drain(20);
    const abandon = vi.fn();
    await drain.within(Promise.resolve(), abandon);
    drain.begin();
    await sleep(60);
    expect(abandon).not.toHaveBeenCalled();
  });
});
