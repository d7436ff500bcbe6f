import { expect, it, vi } from 'vitest';

import { PeerLimits } from './peer-limits.js';

const never = new AbortController().signal;
const rated = (requestsPerSecondMax: number) => ({ aet: 'CT1', host: '10.0.0.1', requestsPerSecondMax });

it('gives places up to the limit of the AE and of all, and takes them back', () => {
  const limits = new PeerLimits(3);
  const entity = { aet: 'CT1', host: '10.0.0.1', associationsMax: 2 };
  const places = [limits.enter('CT1', entity), limits.enter('CT1', entity)];
  expect(limits.enter('CT1', entity)).toBe('ae-associations-max');
  expect(limits.enter('MR1', undefined)).toHaveProperty('leave');
  expect(limits.enter('MR1', undefined)).toBe('associations-max');
  for (const place of places) if (typeof place === 'object') place.leave();
  expect(limits.enter('CT1', entity)).toHaveProperty('leave');
});

it('lets an AE that was quiet catch up for a second, and then at its rate, over all its associations', async () => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
  try {
    const limits = new PeerLimits(10);
    limits.enter('CT1', rated(10));
    limits.enter('CT1', rated(10));
    vi.setSystemTime(0);
    vi.advanceTimersByTime(60_000);
    const done: number[] = [];
    const turns = Array.from({ length: 30 }, () =>
      limits.turn('CT1', rated(10), never).then((waited) => {
        done.push(performance.now());
        return waited;
      }),
    );
    await vi.advanceTimersByTimeAsync(0);
    expect(done).toHaveLength(10);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(done).toHaveLength(20);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(done).toHaveLength(30);
    expect((await Promise.all(turns)).filter((waited) => waited)).toHaveLength(20);
  } finally {
    vi.useRealTimers();
  }
});

it('slows nobody else, and gives back the turn of one who went away', async () => {
  const limits = new PeerLimits(10);
  limits.enter('CT1', rated(0.1));
  limits.enter('MR1', undefined);
  const gone = new AbortController();
  const waits = Array.from({ length: 5 }, () => limits.turn('CT1', rated(0.1), gone.signal));
  expect(await limits.turn('MR1', undefined, never)).toBe(false);
  gone.abort();
  expect(await Promise.all(waits)).toContain(true);
});
