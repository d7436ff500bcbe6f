import {
  AssociationAbortedError,
  AssociationRejectedError,
  ContextRefusedError,
  PeerUnreachableError,
} from '@callosum/dimse';
import { CallosumError } from '@callosum/kernel';
import { describe, expect, it } from 'vitest';

import {
  afterAnswer,
  afterError,
  judge,
  pauseAfter,
  placeAfter,
  type Standing,
  triesAfter,
  unlessAll,
} from './forward-outcome.js';

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
    [0x0124, 'away'],
    [0x0122, 'failed'],
  ])('status %i: %s', (status, end) => {
    expect(afterAnswer(status, 0).end).toBe(end);
  });

  it('a processing failure is tried again with growing pauses, five times', () => {
    const pauses = [0, 1, 2, 3].map((attempts) => afterAnswer(0x0110, attempts));
    expect(pauses).toMatchObject([30_000, 60_000, 120_000, 240_000].map((delayMs) => ({ end: 'later', delayMs })));
    expect(afterAnswer(0x0110, 4)).toEqual({ end: 'failed', code: '0110', isVague: true });
  });

  it('a destination that is not reached costs the instance nothing', () => {
    const away = (code: string) => ({ end: 'away', code });
    expect(afterError(new PeerUnreachableError('gone'), 4)).toEqual(away('dimse.peer-unreachable'));
    expect(afterError(new AssociationRejectedError(1, 1, 7), 4)).toEqual(away('dimse.association-rejected'));
  });

  /** What becomes of one that a destination did not take. */
  const judged = (outcome: ReturnType<typeof afterError>, attempts: number, standing: Standing) => {
    if (outcome.end !== 'away' || !outcome.refusal) throw new Error(outcome.end);
    return judge(outcome, attempts, standing);
  };
  const breaks = (attempts: number) => afterError(new AssociationAbortedError('why'), attempts);

  it('one at which the destination ends its association again and again fails, also alone', () => {
    const after = (attempts: number, since: Standing['since']) =>
      judged(breaks(attempts), attempts, { since, refused: 1 });
    expect(after(0, 'never')).toMatchObject({ end: 'away', attempted: false, again: false, delayMs: 30_000 });
    expect(after(0, 'again')).toMatchObject({ end: 'away', attempted: true, again: true });
    expect(after(3, 'passed')).toMatchObject({ end: 'away', attempted: true, again: false, delayMs: 240_000 });
    expect(after(4, 'again')).toEqual({ end: 'failed', code: 'dimse.association-aborted' });
  });

  it.each(['dimse.no-response', 'dimse.stalled'])('%s is not held against the instance by itself', (code) => {
    const away = { end: 'away', code, attempted: false, refusal: 'silence', again: false, delayMs: 480_000 };
    expect(afterError(new AssociationAbortedError('late', { abortCode: code }), 4)).toEqual(away);
    expect(afterError(new CallosumError(code, 'unavailable', 'late'), 4)).toEqual(away);
    const aborted = afterError(new AssociationAbortedError('why', { abortCode: 'dimse.aborted' }), 4);
    expect(aborted).toMatchObject({ end: 'away', refusal: 'break' });
    expect(
      judged(afterError(new CallosumError(code, 'unavailable', 'late'), 0), 0, { since: 'again', refused: 1 }),
    ).toEqual({ ...away, delayMs: 30_000, again: true });
  });

  it('out of resources costs the instance nothing, unless others pass: then five attempts, which the others need not wait for', () => {
    const after = (attempts: number, since: Standing['since'], refused = 3) =>
      judged(afterAnswer(0xa700, attempts), attempts, { since, refused });
    expect(after(0, 'never')).toMatchObject({ end: 'away', code: 'A700', attempted: false, again: false });
    expect(after(0, 'again')).toMatchObject({ end: 'away', attempted: false, again: true });
    expect(after(0, 'passed')).toMatchObject({ end: 'away', attempted: true, delayMs: 30_000 });
    expect(after(1, 'again')).toEqual({
      end: 'later',
      code: 'A700',
      delayMs: 60_000,
      attempted: true,
      refusal: 'answer',
    });
    expect(after(4, 'again')).toEqual({ end: 'failed', code: 'A700' });
    expect(after(4, 'passed')).toEqual({ end: 'failed', code: 'A700' });
  });

  it('nothing is held against any instance while more are refused than can be odd', () => {
    for (const outcome of [afterAnswer(0xa700, 4), breaks(4)])
      for (const since of ['never', 'passed', 'again'] as const) {
        expect(judged(outcome, 4, { since, refused: 17 })).toMatchObject({ end: 'away', attempted: false });
        expect(judged(outcome, 4, { since, refused: 15 }).end).toBe(since === 'never' ? 'away' : 'failed');
      }
  });

  it('fails by an answer that may be to all, unless more are answered so than can be odd', () => {
    const failed = { end: 'failed', code: 'C123', isVague: true } as const;
    expect(afterAnswer(0xc123, 0)).toEqual(failed);
    expect(afterAnswer(0xa900, 0)).toEqual({ end: 'failed', code: 'A900' });
    const after = (since: Standing['since'], refused: number) => unlessAll(failed, 1, { since, refused });
    for (const since of ['never', 'passed'] as const) {
      expect(after(since, 15)).toEqual(failed);
      expect(after(since, 16)).toMatchObject({ end: 'away', code: 'C123', refusal: 'answer', attempted: false });
    }
    expect(after('again', 16)).toEqual(failed);
    expect(after('again', 17)).toMatchObject({ end: 'away', attempted: false, again: true, delayMs: 60_000 });
  });

  it('what cannot be given in a syntax the destination takes is for a person, an outage of ours is not', () => {
    expect(afterError(new ContextRefusedError('1.2', '1.3', 4), 0)).toEqual({
      end: 'failed',
      code: 'dimse.context-refused',
    });
    expect(afterError(new CallosumError('dicom.transcode.undecodable', 'invalid', 'video'), 0).end).toBe('failed');
    const ours = { end: 'later', attempted: false, delayMs: 30_000 };
    expect(afterError(new CallosumError('object-store.unavailable', 'unavailable', 'away'), 99)).toMatchObject(ours);
    expect(afterError(new Error('x'), 0, () => true)).toMatchObject(ours);
    expect(afterError(new Error('x'), 4)).toEqual({ end: 'failed', code: 'internal' });
  });
});

it('a destination is left alone for longer and longer, at most 15 minutes', () => {
  const pauses = [1, 2, 3, 8, 9, 1_000].map((failures) => pauseAfter(failures, () => 1));
  expect(pauses).toEqual([5_000, 10_000, 20_000, 640_000, 900_000, 900_000]);
  expect(pauseAfter(1, () => 0)).toBe(4_000);
});

it('one that is reached and takes nothing is visited with one instance, then more, at most eight', () => {
  expect([0, 1, 6, 7, 8, 1_000].map(triesAfter)).toEqual([1, 2, 7, 8, 8, 8]);
});

it('and each time with another one: of the last study, the newest, the oldest, and all between', () => {
  const turns = Array.from({ length: 16 }, (_, index) => placeAfter(index + 1));
  expect(turns.slice(0, 7)).toEqual(['last-study', 1, 0, 0.5, 0.25, 0.75, 0.125]);
  expect(new Set(turns).size).toBe(16);
  expect([17, 18].map(placeAfter)).toEqual(['last-study', 1]);
  const between = Array.from({ length: 160 }, (_, index) => placeAfter(index + 1)).filter((at) => at !== 'last-study');
  expect(new Set(between).size).toBe(141);
});
