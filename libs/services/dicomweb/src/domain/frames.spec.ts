import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { BadRequestError } from './errors.js';
import { nativeFrame, readFrameList } from './frames.js';

describe('readFrameList', () => {
  it('reads numbers in their order, repeated ones too', () => {
    expect(readFrameList('3,1,3')).toEqual([3, 1, 3]);
  });

  it.each([
    '',
    '0',
    '-1',
    '1,',
    '1.0',
    '1e3',
    '0x1',
    ' 1',
    '1;2',
    'all',
    Array.from({ length: 1001 }, () => '1').join(),
  ])('refuses %j', (list) => {
    expect(() => readFrameList(list)).toThrow(BadRequestError);
  });
});

describe('nativeFrame', () => {
  it('gives back any frames of bits, also those that begin inside a byte', () => {
    const frames = fc
      .integer({ min: 1, max: 37 })
      .chain((bits) =>
        fc.array(fc.array(fc.boolean(), { minLength: bits, maxLength: bits }), { minLength: 1, maxLength: 9 }),
      );
    fc.assert(
      fc.property(frames, (drawn) => {
        const value = packed(drawn.flat());
        drawn.forEach((frame, i) => {
          expect(nativeFrame(value, i + 1, frame.length)).toEqual(packed(frame));
        });
      }),
      { seed: 8, numRuns: 200 },
    );
  });

  it('knows where the value ends', () => {
    expect(nativeFrame(new Uint8Array(8), 2, 32)).toHaveLength(4);
    expect(nativeFrame(new Uint8Array(8), 3, 32)).toBeUndefined();
  });
});

/** PS3.5 8.1.1: the first bit is the lowest of the first byte. */
function packed(bits: readonly boolean[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(bits.length / 8));
  bits.forEach((bit, i) => {
    if (bit) bytes[i >> 3] = (bytes[i >> 3] ?? 0) | (1 << (i & 7));
  });
  return bytes;
}
