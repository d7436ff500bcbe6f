import { CallosumError, type ErrorKind } from '@callosum/kernel';
import { describe, expect, it } from 'vitest';

import { afterFailure, afterUnrecorded, noFailures } from './attempts.js';

const error = (kind: ErrorKind): Error => new CallosumError(`test.${kind}`, kind, kind);

describe('what becomes of a publication whose attempt failed', () => {
  it.each<[ErrorKind]>([['conflict'], ['not-found'], ['internal']])(
    '%s: tried again with growing pauses, then set aside with its code',
    (kind) => {
      let failures = { ...noFailures, outages: 40 };
      const pauses: number[] = [];
      for (;;) {
        const after = afterFailure(failures, error(kind));
        if ('park' in after) {
          expect(after.park).toBe(`test.${kind}`);
          break;
        }
        pauses.push(after.retryAfterMs);
        failures = after.failures;
      }
      // Forty outages before do not count: the first refusal is tried again at once, and seven times in all.
      expect(pauses).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000]);
      expect(failures.outages).toBe(40);
    },
  );

  it('an outage, or credentials that ran out: without end, at most half a minute apart', () => {
    for (const kind of ['unavailable', 'forbidden'] as const) {
      expect(afterFailure({ outages: 10_000, refusals: 7, defects: 7 }, error(kind))).toEqual({
        retryAfterMs: 30_000,
        failures: { outages: 10_001, refusals: 7, defects: 7 },
      });
    }
    const reset = Object.assign(new Error('reset'), { code: 'ECONNRESET' });
    expect(afterFailure(noFailures, reset, (one) => one === reset)).toMatchObject({ failures: { outages: 1 } });
  });

  it('a failure that could not be recorded is counted and paused as any, and keeps its longest pause at the limit', () => {
    expect(afterUnrecorded(noFailures, new Error('no such column'))).toEqual({
      retryAfterMs: 500,
      failures: { ...noFailures, defects: 1 },
    });
    expect(afterUnrecorded(noFailures, new Error('away'), () => true)).toMatchObject({ failures: { outages: 1 } });
    const many = { ...noFailures, defects: 7 };
    expect(afterUnrecorded(many, new Error('no such column'))).toEqual({ retryAfterMs: 30_000, failures: many });
    expect(afterUnrecorded(noFailures, error('invalid'))).toEqual({ retryAfterMs: 30_000, failures: noFailures });
  });

  it('what is refused as invalid: at once, trying again gives the same', () => {
    expect(afterFailure(noFailures, error('invalid'))).toEqual({ park: 'test.invalid' });
  });

  it('anything thrown that is no error of ours: bounded, with a code of its own', () => {
    expect(afterFailure({ ...noFailures, defects: 7 }, 'a text')).toEqual({ park: 'results.unexpected-error' });
  });
});
