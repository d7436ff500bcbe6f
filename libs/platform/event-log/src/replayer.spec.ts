import { describe, expect, it } from 'vitest';

import { ReplayRunningError } from './errors.js';
import type { ReplayOutcome } from './parked.js';
import { Replayer, type ReplayerOptions } from './replayer.js';
import { until } from './test-support/collect.js';

const handled: ReplayOutcome = { replayed: 1, left: 0 };
const away: ReplayOutcome = { replayed: 0, left: 1, errorCode: 'a.away', retried: true };
const tuning = { lookEveryMs: 5, awayPauseMs: 60_000, hastenEveryMs: 60_000 };

/** A group whose keys are due in this order; what is tried leaves the list, as a failed one does until its next time. */
function group(
  keys: readonly string[],
  answer: (key: string) => ReplayOutcome | Error,
  more?: Partial<ReplayerOptions>,
) {
  const due = [...keys];
  const tried: string[] = [];
  const hastened: string[] = [];
  let looks = 0;
  const replayer = new Replayer({
    group: 'g',
    parked: {
      due: (_group, limit) => {
        looks += 1;
        return Promise.resolve(due.slice(0, limit).map((key) => ({ topic: 't', key, errorCode: 'a.away' })));
      },
      hasten: (_group, code) => Promise.resolve(void hastened.push(code)),
    },
    replay: ({ key }) => {
      tried.push(key);
      due.splice(due.indexOf(key), 1);
      const given = answer(key);
      return given instanceof Error ? Promise.reject(given) : Promise.resolve(given);
    },
    tuning,
    ...more,
  }).start();
  return { replayer, due, tried, hastened, looks: () => looks };
}

const keys = Array.from({ length: 50 }, (_, i) => `k${i}`);

describe('what is parked because something was away', () => {
  it('is left alone once three keys in a row found it away, until the next round', async () => {
    const { replayer, tried } = group(keys, () => away);
    await until('a round', () => tried.length >= 3);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(tried).toEqual(['k0', 'k1', 'k2']);
    await replayer.close();
  });

  it('is gone through without a pause as soon as something comes through, and the rest is pulled forward once', async () => {
    const { replayer, tried, hastened } = group(keys, (key) => (key === 'k0' || key === 'k1' ? away : handled));
    await until('all of them', () => tried.length === keys.length);
    expect(tried).toEqual(keys);
    await until('the pull', () => hastened.length > 0);
    expect(hastened).toEqual(['a.away']);
    await replayer.close();
  });

  it('is tried at once when a consumer finds that it answers again', async () => {
    const { replayer, due, tried } = group(keys.slice(0, 3), () => (tried.length > 3 ? handled : away));
    await until('a round in vain', () => tried.length === 3);
    due.push('k0', 'k1', 'k2');
    replayer.recovered('a.away');
    await until('the next round', () => tried.length === 6);
    await replayer.close();
  });

  it('is not tried while another replica or a person is at it, and a database that is away stops nothing for good', async () => {
    const errors: unknown[] = [];
    let calls = 0;
    const { replayer, tried } = group(
      ['busy', 'k1', 'k2'],
      (key) => {
        if (key === 'busy') return new ReplayRunningError('t');
        return ++calls === 1 ? new Error('no database') : handled;
      },
      { onReplayError: (error) => errors.push(error) },
    );
    await until('the last one', () => tried.includes('k2'));
    expect(errors).toEqual([new Error('no database')]);
    await replayer.close();
  });

  it('is not begun any more once the service stops', async () => {
    let letGo!: () => void;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    const began: string[] = [];
    const { replayer } = group(keys, () => handled, {
      replay: async ({ key }, { signal }) => {
        began.push(key);
        await held;
        expect(signal?.aborted).toBe(true);
        return handled;
      },
    });
    await until('the first', () => began.length === 1);
    const closed = replayer.close();
    letGo();
    await closed;
    expect(began).toEqual(['k0']);
  });
});
