import {
  AssociationAbortedError,
  AssociationRejectedError,
  ContextRefusedError,
  PeerUnreachableError,
} from '@callosum/dimse';
import { CallosumError } from '@callosum/kernel';
import { describe, expect, it } from 'vitest';

import { afterAnswer, afterError, pauseAfter, unlessOthersPass } from './forward-outcome.js';

describe('what becomes of an instance that was sent', () => {
  it.each([
    [0x0000, 'sent'],
    [0xb000, 'sent'],
    [0xb006, 'sent'],
    [0xa700, 'away'],
    [0x0213, 'away'],
    [0x0110, 'later'],
    [0xa900, 'failed'],
    [0xc123, 'failed'],
    [0x0124, 'failed'],
    [0x0122, 'failed'],
  ])('status %i: %s', (status, end) => {
    expect(afterAnswer(status, 0).end).toBe(end);
  });

  it('a processing failure is tried again with growing pauses, five times', () => {
    const pauses = [0, 1, 2, 3].map((attempts) => afterAnswer(0x0110, attempts));
    expect(pauses).toMatchObject([30_000, 60_000, 120_000, 240_000].map((delayMs) => ({ end: 'later', delayMs })));
    expect(afterAnswer(0x0110, 4)).toEqual({ end: 'failed', code: '0110' });
  });

  it('a destination that is away costs the instance nothing, one that ends its association five attempts', () => {
    expect(afterError(new PeerUnreachableError('gone'), 4)).toMatchObject({ end: 'away', attempted: false });
    expect(afterError(new AssociationRejectedError(1, 1, 7), 4)).toMatchObject({ end: 'away', attempted: false });
    expect(afterError(new AssociationAbortedError('why'), 0)).toMatchObject({ end: 'away', attempted: true });
    expect(afterError(new AssociationAbortedError('why'), 4)).toMatchObject({ end: 'failed' });
  });

  it.each(['dimse.no-response', 'dimse.stalled'])('%s is not held against the instance by itself', (code) => {
    const away = { end: 'away', code, attempted: false, perhaps: true, delayMs: 480_000 };
    expect(afterError(new AssociationAbortedError('late', { abortCode: code }), 4)).toEqual(away);
    expect(afterError(new CallosumError(code, 'unavailable', 'late'), 4)).toEqual(away);
    expect(afterError(new AssociationAbortedError('why', { abortCode: 'dimse.aborted' }), 4).end).toBe('failed');
  });

  it('out of resources costs the instance nothing, unless others pass: then five attempts', () => {
    const judged = (attempts: number, passed: boolean) => {
      const away = afterAnswer(0xa700, attempts);
      return away.end === 'away' && away.perhaps ? unlessOthersPass(away, attempts, passed) : away;
    };
    expect(judged(4, false)).toMatchObject({ end: 'away', code: 'A700', attempted: false });
    expect([0, 3].map((attempts) => judged(attempts, true))).toMatchObject([
      { end: 'away', attempted: true, delayMs: 30_000 },
      { end: 'away', attempted: true, delayMs: 240_000 },
    ]);
    expect(judged(4, true)).toEqual({ end: 'failed', code: 'A700' });
  });

  it('what cannot be given in a syntax the destination takes is for a person, an outage of ours is not', () => {
    expect(afterError(new ContextRefusedError('1.2', '1.3', 4), 0)).toEqual({
      end: 'failed',
      code: 'dimse.context-refused',
    });
    expect(afterError(new CallosumError('dicom.transcode.undecodable', 'invalid', 'video'), 0).end).toBe('failed');
    expect(afterError(new CallosumError('object-store.unavailable', 'unavailable', 'away'), 99).end).toBe('later');
    expect(afterError(new Error('x'), 0, () => true).end).toBe('later');
    expect(afterError(new Error('x'), 4)).toEqual({ end: 'failed', code: 'internal' });
  });
});

it('a destination is left alone for longer and longer, at most 15 minutes', () => {
  const pauses = [1, 2, 3, 8, 9, 1_000].map((failures) => pauseAfter(failures, () => 1));
  expect(pauses).toEqual([5_000, 10_000, 20_000, 640_000, 900_000, 900_000]);
  expect(pauseAfter(1, () => 0)).toBe(4_000);
});
