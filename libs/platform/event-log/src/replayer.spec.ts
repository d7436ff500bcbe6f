import { describe, expect, it } from 'vitest';

import { ReplayRunningError } from './errors.js';
import type { ReplayOutcome } from './parked.js';
import { Replayer, type ReplayerOptions } from './replayer.js';
import { until } from './test-support/collect.js';

const handled: ReplayOutcome = { replayed: 1, left: 0 };
const away: ReplayOutcome = { replayed: 0, left: 1, errorCode: 'a.away', retried: true };
const tuning = { lookEveryMs: 5, awayPauseMs: 60_000, hastenEveryMs: 60_000 };

/**
 * A group whose keys are due in this order, stored with a code each; what is tried leaves the list, as a failed one does
 * until its next time.
 */
function group(
  keys: readonly string[],
  answer: (key: string) => ReplayOutcome | Error,
  more?: Partial<ReplayerOptions>,
  storedAs: (key: string) => string = () => 'a.away',
) {
  const due = [...keys];
  const tried: string[] = [];
  const hastened: string[] = [];
  let looks = 0;
  const replayer = new Replayer({
    group: 'g',
    parked: {
      due: (_group, limit, except) => {
        looks += 1;
        const wanted = due.filter((key) => !except.includes(storedAs(key))).slice(0, limit);
        return Promise.resolve(wanted.map((key) => ({ topic: 't', key, errorCode: storedAs(key) })));
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
  it('is left alone for a while once three keys in a row found it away', async () => {
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

  it('does not wait for what fails with another code, however many keys of that are due longer', async () => {
    const many = [...keys, 'b', ...keys.map((key) => `${key}-again`)];
    const { replayer, due, tried } = group(
      many,
      (key) => (key.startsWith('b') ? handled : away),
      {},
      (key) => (key.startsWith('b') ? 'b.away' : 'a.away'),
    );
    await until('the other one', () => tried.includes('b'));
    expect(tried).toEqual(['k0', 'k1', 'k2', 'b']);
    due.push('b-later');
    await until('one that is due while the first code is left alone', () => tried.includes('b-later'));
    expect(tried).toEqual(['k0', 'k1', 'k2', 'b', 'b-later']);
    await replayer.close();
  });

  it('is tried again after the pause, three keys of it', async () => {
    const { replayer, tried } = group(keys, () => away, { tuning: { ...tuning, awayPauseMs: 100 } });
    const startedAt = Date.now();
    await until('two more turns', () => tried.length >= 9);
    expect(Date.now() - startedAt).toBeGreaterThanOrEqual(200 - 2);
    expect(tried).toEqual(keys.slice(0, tried.length));
    await replayer.close();
  });

  it('is counted by the code it fails with now, and left alone by the code it lies there with', async () => {
    const stored = ['a1', 'a2', 'a3', 'c1', 'a4', 'a5'];
    const { replayer, tried } = group(
      stored,
      (key) => (key === 'a5' ? handled : { ...away, errorCode: 'c.away' }),
      {},
      (key) => (key.startsWith('c') ? 'c.away' : 'a.away'),
    );
    await until('the last one', () => tried.includes('a5'));
    expect(tried).toEqual(['a1', 'a2', 'a3', 'a4', 'a5']);
    await replayer.close();
  });

  it('does not keep others waiting when one look is full of what fails for good', async () => {
    const { replayer, tried } = group(
      keys,
      (key) => (key === 'k49' ? handled : { replayed: 0, left: 1, errorCode: 'a.wrong' }),
      { tuning: { ...tuning, lookEveryMs: 60_000 } },
    );
    await until('the last one', () => tried.includes('k49'));
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
