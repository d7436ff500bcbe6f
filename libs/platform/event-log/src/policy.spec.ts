import { CallosumError } from '@callosum/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { backoffMs, defaultBackoff, defaultRetryPauses, isTransient, Patience, retryPauseMs } from './backoff.js';
import { withPolicy } from './consumer.js';
import { fromMessage, toMessage } from './kafka/headers.js';
import { topicConfigs } from './kafka/topics.js';
import { partitionOf } from './partition.js';
import { fact, topic } from './test-support/collect.js';

const seed = 20261122;

describe('backoff', () => {
  it('grows, stays under its cap, and never drops below half of it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, random) => {
        const full = Math.min(defaultBackoff.capMs, defaultBackoff.initialMs * 2 ** (attempt - 1));
        const wait = backoffMs(defaultBackoff, attempt, () => random);
        expect(wait).toBeGreaterThanOrEqual(full / 2);
        expect(wait).toBeLessThanOrEqual(full);
      }),
      { seed },
    );
  });
});

describe('what a fact is tried again in place', () => {
  /** When the attempts after the first failure begin, of calls that take so long and fail with `error`. */
  function attemptsMs(error: unknown, callMs: number, random: () => number): number[] {
    let nowMs = 0;
    const patience = new Patience(defaultBackoff, () => nowMs, random);
    const begun: number[] = [];
    for (;;) {
      const pauseMs = patience.after(error);
      if (pauseMs === undefined) return begun;
      begun.push((nowMs += pauseMs));
      nowMs += callMs;
    }
  }
  const away = new CallosumError('a.away', 'unavailable', 'x');

  it('ends within four minutes, however long a call hangs, and not a pause and a call sooner', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 60_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (callMs, random) => {
        const last = attemptsMs(away, callMs, () => random).at(-1) ?? 0;
        expect(last).toBeLessThanOrEqual(240_000);
        expect(last).toBeGreaterThan(240_000 - defaultBackoff.capMs - callMs - 1);
      }),
      { seed },
    );
  });

  it('is tried again at least once when the first call hung for longer than that', () => {
    const patience = new Patience(defaultBackoff, () => 1_000_000);
    expect(patience.after(away)).toBeGreaterThan(0);
  });

  it('spends no more than seconds on a defect', () => {
    const begun = attemptsMs(new CallosumError('a.defect', 'internal', 'x'), 0, () => 1);
    expect(begun).toHaveLength(4);
    expect(begun.at(-1)).toBeLessThan(3_000);
  });
});

describe('the pause before a parked fact is tried again', () => {
  const mostMs = (retries: number): number => retryPauseMs(defaultRetryPauses, retries, () => 1);

  it('is half a minute, doubles with each attempt in vain, and ends at five minutes', () => {
    expect([0, 1, 2, 3, 4, 50].map(mostMs)).toEqual([30_000, 60_000, 120_000, 240_000, 300_000, 300_000]);
  });

  it('is never less than half of that, so that no fact is tried more than every few minutes for long', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 10_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (retries, random) => {
          const pause = retryPauseMs(defaultRetryPauses, retries, () => random);
          expect(pause).toBeGreaterThanOrEqual(mostMs(retries) / 2);
          expect(pause).toBeLessThanOrEqual(mostMs(retries));
        },
      ),
      { seed },
    );
  });
});

describe('isTransient', () => {
  const coded = (code: string | number): Error => Object.assign(new Error('x'), { code });

  it.each([
    ['our own unavailable', new CallosumError('a.b', 'unavailable', 'x')],
    ['a refused socket', coded('ECONNREFUSED')],
    ['a deadlock', coded('40P01')],
    ['gRPC UNAVAILABLE', coded(14)],
    ['a failed fetch', new TypeError('fetch failed', { cause: coded('ECONNRESET') })],
    ['a timeout', Object.assign(new Error('x'), { name: 'TimeoutError' })],
  ])('is true for %s', (_name, error) => {
    expect(isTransient(error)).toBe(true);
  });

  it.each([
    ['our own invalid, whatever caused it', new CallosumError('a.b', 'invalid', 'x', { cause: coded('ECONNRESET') })],
    ['a defect', new TypeError('x is undefined')],
    ['a unique violation', coded('23505')],
    ['gRPC INVALID_ARGUMENT', coded(3)],
    ['a thrown string', 'boom'],
  ])('is false for %s', (_name, error) => {
    expect(isTransient(error)).toBe(false);
  });

  it('ends on a ring of causes', () => {
    const ring = new Error('x');
    ring.cause = ring;
    expect(isTransient(ring)).toBe(false);
  });
});

describe('withPolicy', () => {
  /** How often a fact is handled before it is parked with `error`'s code, where something away is waited for `waitMs`, with no pause. */
  async function callsUntilParked(
    error: unknown,
    waitMs = 0,
  ): Promise<{ calls: number; parked: string[]; again: string[] }> {
    const parked: string[] = [];
    const again: string[] = [];
    const store = {
      holds: () => Promise.resolve(false),
      park: (_group: string, _event: unknown, code: string, transient: boolean) =>
        Promise.resolve(void (transient ? again : parked).push(code)),
    };
    let calls = 0;
    const dispatch = (): Promise<void> => {
      calls += 1;
      return Promise.reject(error as Error);
    };
    const backoff = { ...defaultBackoff, waitMs, initialMs: 0 };
    await withPolicy({ group: 'g', parked: store as never, dispatch, backoff })(fact('k', 1));
    return { calls, parked, again };
  }

  it.each([
    ['a defect over there', new CallosumError('a.defect', 'internal', 'x'), 5, { parked: ['a.defect'], again: [] }],
    ['a wrong input', new CallosumError('a.wrong', 'invalid', 'x'), 1, { parked: ['a.wrong'], again: [] }],
    ['a defect of ours', new TypeError('x is undefined'), 1, { parked: ['internal'], again: [] }],
  ])('parks after %s as soon as more calls would only hold up others', async (_name, error, calls, codes) => {
    expect(await callsUntilParked(error)).toEqual({ calls, ...codes });
  });

  it('parks after a dependency that is away for longer than it is waited for, to be tried again', async () => {
    const { calls, ...codes } = await callsUntilParked(new CallosumError('a.away', 'unavailable', 'x'), 50);
    expect(codes).toEqual({ parked: [], again: ['a.away'] });
    expect(calls, 'more than of a defect').toBeGreaterThan(5);
  });

  it('tells that what was away answers again, once the fact that waited for it is handled', async () => {
    const store = { holds: () => Promise.resolve(false) };
    const recovered: string[] = [];
    let calls = 0;
    const dispatch = (): Promise<void> =>
      ++calls < 3 ? Promise.reject(new CallosumError('a.away', 'unavailable', 'x')) : Promise.resolve();
    const backoff = { ...defaultBackoff, initialMs: 0 };
    const onRecovered = (code: string): void => void recovered.push(code);
    const handler = withPolicy({ group: 'g', parked: store as never, dispatch, backoff, onRecovered });
    await handler(fact('k', 1));
    await handler(fact('k', 2));
    expect(recovered).toEqual(['a.away']);
  });

  it.each([true, false])(
    'tells of a fact that parks behind one that is tried again (%s) what becomes of it',
    async (retried) => {
      const store = { holds: () => Promise.resolve(true), parkBehind: () => Promise.resolve({ retried }) };
      const told: unknown[] = [];
      const onParked = (_event: unknown, code: string, error: unknown, again: boolean): void =>
        void told.push([code, error, again]);
      const dispatch = (): Promise<void> => Promise.reject(new Error('not to be handled'));
      await withPolicy({ group: 'g', parked: store as never, dispatch, onParked })(fact('k', 1));
      expect(told).toEqual([['event-log.behind-parked', undefined, retried]]);
    },
  );
});

describe('partition of a key', () => {
  it('is the same in every release', () => {
    // Changing these moves keys while events are in flight, and breaks their order.
    expect([partitionOf('1.2.3', 12), partitionOf('2.25.4', 12), partitionOf('a', 1)]).toEqual([0, 7, 0]);
  });
});

describe('Kafka records', () => {
  const record = (message: { key: string | null; value: string | null; headers: Record<string, string> }) => ({
    key: message.key === null ? null : Buffer.from(message.key),
    value: message.value === null ? null : Buffer.from(message.value),
    timestamp: '1767323045678',
    attributes: 0,
    offset: '42',
    headers: Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name, Buffer.from(value)])),
  });

  it('carry any event there and back', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', minLength: 1 }),
        fc.string({ unit: 'grapheme' }),
        fc.uuid(),
        (key, text, causationId) => {
          fc.pre(!`${key}${text}`.includes('\0'));
          const event = fact(key, 1, { value: JSON.stringify({ text }), causationId });
          expect(fromMessage(event.topic, 3, record(toMessage(event) as never))).toEqual(event);
        },
      ),
      { seed },
    );
  });

  it('are kept by the time of their append, not of the fact: an old fact must not expire unread', () => {
    expect(toMessage(fact('k', 1, { time: new Date('2001-01-01') }))).not.toHaveProperty('timestamp');
    for (const { configEntries } of topicConfigs([topic as never], 1)) {
      expect(configEntries).toContainEqual({ name: 'message.timestamp.type', value: 'LogAppendTime' });
    }
  });

  it('of a foreign writer become events that will be parked: named by their place, without NUL', () => {
    const event = fromMessage('t', 3, record({ key: null, value: 'a\0b', headers: {} }));
    expect(event).toMatchObject({
      id: 't/3/42',
      key: 't/3/42',
      type: '',
      value: 'a\uFFFDb',
      time: new Date(1767323045678),
    });
    expect(fromMessage('t', 3, record({ key: 'k', value: null, headers: { ce_time: 'yesterday' } }))).toMatchObject({
      key: 'k',
      value: '',
      time: new Date(0),
    });
  });
});
