import { setTimeout as sleep } from 'node:timers/promises';

import { expect, it } from 'vitest';

import { Waker } from './waker.js';

const longMs = 60_000;

it('ends everybody’s wait at one call', async () => {
  const waker = new Waker();
  const { turn } = waker;
  const waits = [waker.wait(turn, longMs), waker.wait(turn, longMs), waker.wait(turn, longMs)];
  waker.wake();
  expect(await Promise.all(waits)).toEqual([true, true, true]);
});

it('does not lose a call that came while its caller looked for work', async () => {
  const waker = new Waker();
  const { turn } = waker;
  waker.wake();
  expect(await waker.wait(turn, longMs)).toBe(true);
});

it('waits again after a call that was seen, and gives up in time', async () => {
  const waker = new Waker();
  waker.wake();
  expect(await waker.wait(waker.turn, 1)).toBe(false);
  // The one that gave up is not woken any more, and hinders nobody.
  const later = waker.wait(waker.turn, longMs);
  await sleep(1);
  waker.wake();
  expect(await later).toBe(true);
});
