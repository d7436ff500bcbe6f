import { setTimeout as sleep } from 'node:timers/promises';

import { Waker } from '@callosum/event-log';
import { afterEach, expect, it } from 'vitest';

import { Background } from './background.js';

const told: unknown[] = [];
let waker: Waker;
let background: Background;
const begin = (): Background => {
  waker = new Waker();
  return (background = new Background((err) => void told.push(err), waker));
};
afterEach(async () => {
  await background.end();
  told.splice(0);
});

it('looks again at once after it found something, else when it is woken, and also after a failure', async () => {
  const found = [true, true, false, new Error('away'), false];
  let looks = 0;
  begin().loop(60_000, () => {
    const next = found[looks++] ?? false;
    return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
  });
  await expect.poll(() => looks).toBe(3);
  await sleep(20);
  expect(looks).toBe(3);
  waker.wake();
  await expect.poll(() => told).toEqual([new Error('away')]);
  expect(looks).toBe(4);
  waker.wake();
  await expect.poll(() => looks).toBe(5);
});

it('looks within the poll interval, woken or not', async () => {
  let looks = 0;
  begin().loop(10, () => Promise.resolve((looks++, false)));
  await expect.poll(() => looks).toBeGreaterThan(3);
});

it('does one thing from time to time, never twice at once', async () => {
  const gate = Promise.withResolvers<undefined>();
  let [begun, failures] = [0, 0];
  begin().every(5, async () => {
    begun++;
    await gate.promise;
    failures++;
    throw new Error('once more');
  });
  await sleep(50);
  expect(begun).toBe(1);
  gate.resolve(undefined);
  await expect.poll(() => failures).toBeGreaterThan(2);
  expect(told[0]).toEqual(new Error('once more'));
});

it('ends when all that was begun has, also what that began', async () => {
  const ended: string[] = [];
  const { signal } = begin();
  void background.start(async () => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    void background.start(async () => {
      await sleep(20);
      ended.push('last');
    });
    ended.push('first');
  });
  background.loop(60_000, () => Promise.resolve(false));
  await background.end();
  expect(ended).toEqual(['first', 'last']);
});
