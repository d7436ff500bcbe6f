import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { PeerLimits } from './peer-limits.js';

const never = new AbortController().signal;
const rated = (requestsPerSecondMax: number) => ({ aet: 'CT1', host: '10.0.0.1', requestsPerSecondMax });

it('gives places up to the limit of the AE and of all, and takes them back', () => {
  const limits = new PeerLimits(3, 3);
  const entity = { aet: 'CT1', host: '10.0.0.1', associationsMax: 2 };
  const places = [limits.enter('CT1', entity), limits.enter('CT1', entity)];
  expect(limits.enter('CT1', entity)).toBe('ae-associations-max');
  expect(limits.enter('MR1', undefined)).toHaveProperty('leave');
  expect(limits.enter('MR1', undefined)).toBe('associations-max');
  for (const place of places) if (typeof place === 'object') place.leave();
  expect(limits.enter('CT1', entity)).toHaveProperty('leave');
});

it('leaves room for others beside an AE whose entry says nothing', () => {
  const limits = new PeerLimits(4, 2);
  limits.enter('CT1', undefined);
  limits.enter('CT1', { aet: 'CT1', host: '10.0.0.1' });
  expect(limits.enter('CT1', undefined)).toBe('ae-associations-max');
  expect(limits.enter('MR1', undefined)).toHaveProperty('leave');
});

describe('the rate of an AE', () => {
  let limits: PeerLimits;
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
    vi.advanceTimersByTime(60_000);
    limits = new PeerLimits(10, 10);
    for (const aet of ['CT1', 'CT1', 'MR1']) limits.enter(aet, undefined);
  });
  afterEach(() => vi.useRealTimers());

  const turns = (count: number, signal = never): { done: boolean[]; all: Promise<unknown> } => {
    const done: boolean[] = [];
    const take = async (): Promise<unknown> => done.push(await limits.turn('CT1', rated(10), signal));
    return { done, all: Promise.all(Array.from({ length: count }, take)) };
  };

  it('lets it catch up for a second, and then go on at that rate, over all its associations', async () => {
    const { done } = turns(30);
    await vi.advanceTimersByTimeAsync(0);
    expect(done).toEqual(Array(10).fill(false));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(done).toHaveLength(20);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(done.slice(10)).toEqual(Array(20).fill(true));
  });

  it('holds for a sender that opens an association for each request, too', async () => {
    const done: boolean[] = [];
    for (let i = 0; i < 15; i++) {
      const place = limits.enter('CT2', rated(10));
      void limits.turn('CT2', rated(10), never).then((waited) => done.push(waited));
      if (typeof place === 'object') place.leave();
    }
    await vi.advanceTimersByTimeAsync(0);
    expect(done).toEqual(Array(10).fill(false));
    await vi.advanceTimersByTimeAsync(500);
    expect(done).toHaveLength(15);
  });

  it('slows nobody else', async () => {
    turns(30);
    expect(await limits.turn('MR1', undefined, never)).toBe(false);
  });

  it('does not count those who waited and went away', async () => {
    await turns(10).all;
    const gone = new AbortController();
    const { all } = turns(50, gone.signal);
    gone.abort();
    await all;
    const { done } = turns(1);
    await vi.advanceTimersByTimeAsync(101);
    expect(done).toEqual([true]);
  });
});
