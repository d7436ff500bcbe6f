import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { chooseRange, contentRange, rangesOfPart, unsatisfiedRange } from './range.js';

const part = (first: number, last: number) => ({ kind: 'part', first, last });
const whole = { kind: 'whole' };
const unsatisfiable = { kind: 'unsatisfiable' };

describe('chooseRange', () => {
  it.each([
    // RFC 9110 14.1.2, with its own examples.
    ['bytes=0-499', part(0, 499)],
    ['bytes=500-999', part(500, 999)],
    ['bytes=-500', part(9500, 9999)],
    ['bytes=9500-', part(9500, 9999)],
    ['bytes=0-0', part(0, 0)],
    ['bytes=-1', part(9999, 9999)],
    ['bytes=0-', part(0, 9999)],
    // A last position past the end, and a suffix longer than all, mean up to what there is.
    ['bytes=9999-10000', part(9999, 9999)],
    ['bytes=0-99999999999999999999999999', part(0, 9999)],
    ['bytes=-10001', part(0, 9999)],
    // Range units are compared without case (14.1); a list may have empty elements (5.6.1).
    ['BYTES=1-2', part(1, 2)],
    [' bytes=1-2 ', part(1, 2)],
    ['bytes= 1-2 ,', part(1, 2)],
    // Beyond the end: 416 (14.1.2, 15.5.17).
    ['bytes=10000-', unsatisfiable],
    ['bytes=10000-10001', unsatisfiable],
    [`bytes=${'9'.repeat(400)}-`, unsatisfiable],
    ['bytes=-0', unsatisfiable],
    // Invalid, of another unit, or of several: as if it were not there (14.2).
    ['bytes=5-4', whole],
    ['bytes=10001-10000', whole],
    ['bytes=0-1,-1', whole],
    ['bytes=0-10, 5-15, 3-4', whole],
    ['bytes=', whole],
    ['bytes=-', whole],
    ['bytes=a-b', whole],
    ['bytes=1.5-2', whole],
    ['bytes=+1-2', whole],
    ['bytes=--1', whole],
    ['bytes:0-1', whole],
    ['items=0-1', whole],
    ['0-1', whole],
    ['', whole],
    [undefined, whole],
    [`bytes=0-1${','.repeat(5000)}`, whole],
  ])('%s of 10,000 bytes', (header, expected) => {
    expect(chooseRange('GET', header, 10_000)).toEqual(expected);
  });

  it.each(['HEAD', 'POST', 'OPTIONS'])('has none for %s (14.2)', (method) => {
    expect(chooseRange(method, 'bytes=0-0', 10)).toEqual(whole);
    expect(chooseRange(method, 'bytes=10-', 10)).toEqual(whole);
  });

  it('sends what is empty whole, and has nothing of it from a first byte on', () => {
    expect(chooseRange('GET', 'bytes=-5', 0)).toEqual(whole);
    expect(chooseRange('GET', 'bytes=0-', 0)).toEqual(unsatisfiable);
  });

  it('is inside the representation, for any header', () => {
    const text = fc.oneof(
      fc.tuple(fc.nat(30), fc.nat(30)).map(([a, b]) => `bytes=${String(a)}-${String(b)}`),
      fc.nat(30).map((a) => `bytes=-${String(a)}`),
      fc.string({ unit: fc.constantFrom(...'bytes=0123456789-, '), maxLength: 16 }).map((rest) => `bytes=${rest}`),
    );
    fc.assert(
      fc.property(text, fc.nat(25), (header, byteCount) => {
        const choice = chooseRange('GET', header, byteCount);
        if (choice.kind !== 'part') return;
        expect(choice.first).toBeGreaterThanOrEqual(0);
        expect(choice.last).toBeGreaterThanOrEqual(choice.first);
        expect(choice.last).toBeLessThan(byteCount);
        expect(Number.isSafeInteger(choice.first) && Number.isSafeInteger(choice.last)).toBe(true);
      }),
      { seed: 53, numRuns: 3000 },
    );
  });
});

describe('Content-Range (RFC 9110 14.4)', () => {
  it('says which bytes of how many', () => {
    expect(contentRange(42, 1233, 1234)).toBe('bytes 42-1233/1234');
    expect(contentRange(0, 2 ** 40 - 1, 2 ** 40)).toBe('bytes 0-1099511627775/1099511627776');
  });

  it('says how many there are where none of them was meant', () => {
    expect(unsatisfiedRange(1234)).toBe('bytes */1234');
  });
});

describe('rangesOfPart', () => {
  const fragments = [
    { offset: 100, length: 10 },
    { offset: 200, length: 0 },
    { offset: 300, length: 5 },
  ];

  it.each([
    [
      0,
      14,
      [
        { offset: 100, length: 10 },
        { offset: 300, length: 5 },
      ],
    ],
    [0, 9, [{ offset: 100, length: 10 }]],
    [10, 14, [{ offset: 300, length: 5 }]],
    [
      9,
      10,
      [
        { offset: 109, length: 1 },
        { offset: 300, length: 1 },
      ],
    ],
    [3, 3, [{ offset: 103, length: 1 }]],
    [14, 14, [{ offset: 304, length: 1 }]],
    [12, 99, [{ offset: 302, length: 3 }]],
  ])('of bytes %s to %s', (first, last, expected) => {
    expect(rangesOfPart(fragments, { first, last })).toEqual(expected);
  });

  it('read one after the other is that part of the whole', () => {
    const blob = Array.from({ length: 200 }, (_, at) => at);
    const read = (ranges: readonly { offset: number; length: number }[]): number[] =>
      ranges.flatMap(({ offset, length }) => blob.slice(offset, offset + length));
    const range = fc.record({ offset: fc.nat(150), length: fc.nat(40) });
    fc.assert(
      fc.property(fc.array(range, { maxLength: 6 }), fc.nat(200), fc.nat(200), (ranges, a, b) => {
        const part = { first: Math.min(a, b), last: Math.max(a, b) };
        expect(read(rangesOfPart(ranges, part))).toEqual(read(ranges).slice(part.first, part.last + 1));
      }),
      { seed: 55, numRuns: 1000 },
    );
  });
});
