import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { BadRequestError } from './errors/door.js';
import { cutFrame, isWholeBytes, joinedFrames, nativeSpan, readFrameList } from './frames.js';

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

describe('a native frame', () => {
  const cut = (value: Uint8Array, number: number, bits: number, wordBytes = 1): Uint8Array => {
    const span = nativeSpan(number, bits, wordBytes);
    return cutFrame(value.subarray(span.offset, span.offset + span.length), span, bits);
  };

  it('is cut out of bits, also where it begins inside a byte', () => {
    const frames = fc
      .integer({ min: 1, max: 37 })
      .chain((bits) =>
        fc.array(fc.array(fc.boolean(), { minLength: bits, maxLength: bits }), { minLength: 1, maxLength: 9 }),
      );
    fc.assert(
      fc.property(frames, fc.constantFrom(1, 2, 4, 8), (drawn, wordBytes) => {
        const bits = packed(drawn.flat());
        const value = new Uint8Array(Math.ceil(bits.length / wordBytes) * wordBytes);
        value.set(bits);
        drawn.forEach((frame, i) => {
          expect(cut(value, i + 1, frame.length, wordBytes)).toEqual(packed(frame));
        });
      }),
      { seed: 8, numRuns: 200 },
    );
  });

  it('lies in whole words: of an odd length the second begins inside one', () => {
    expect(nativeSpan(2, 3 * 8, 1)).toEqual({ offset: 3, length: 3, skippedBits: 0 });
    expect(nativeSpan(2, 3 * 8, 2)).toEqual({ offset: 2, length: 4, skippedBits: 8 });
    expect(nativeSpan(1, 3 * 8, 2)).toEqual({ offset: 0, length: 4, skippedBits: 0 });
    expect(nativeSpan(2, 12, 1)).toEqual({ offset: 1, length: 2, skippedBits: 4 });
  });

  it('is those bytes where nothing is beside it', () => {
    expect(isWholeBytes(nativeSpan(2, 24, 1), 24)).toBe(true);
    expect(isWholeBytes(nativeSpan(2, 24, 2), 24)).toBe(false);
    expect(isWholeBytes(nativeSpan(1, 24, 2), 24)).toBe(false);
    expect(isWholeBytes(nativeSpan(3, 12, 1), 12)).toBe(false);
    expect(isWholeBytes(nativeSpan(3, 16, 2), 16)).toBe(true);
  });
});

describe('frames as one value', () => {
  it('have no gap between them, in whatever pieces they come, and nothing of what is behind their bits', async () => {
    const frames = fc
      .integer({ min: 1, max: 37 })
      .chain((bits) =>
        fc.array(fc.array(fc.boolean(), { minLength: bits, maxLength: bits }), { minLength: 1, maxLength: 9 }),
      );
    await fc.assert(
      fc.asyncProperty(frames, fc.integer({ min: 1, max: 6 }), fc.boolean(), async (drawn, pieceBytes, rest) => {
        const frameBits = drawn[0]?.length ?? 0;
        const given = drawn.map((frame) =>
          packed([...frame, ...Array.from({ length: (8 - (frameBits % 8)) % 8 }, () => rest)]),
        );
        const got: Uint8Array[] = [];
        for await (const bytes of joinedFrames(inPieces(given, pieceBytes), frameBits)) got.push(bytes);
        expect(got.every(({ length }) => length > 0)).toBe(true);
        expect(new Uint8Array(Buffer.concat(got))).toEqual(packed(drawn.flat()));
      }),
      { seed: 8, numRuns: 200 },
    );
  });
});

/** Each of them in pieces of so many bytes. */
async function* inPieces(all: readonly Uint8Array[], byteCount: number): AsyncGenerator<AsyncIterable<Uint8Array>> {
  for (const bytes of all)
    yield (async function* () {
      for (let at = 0; at < bytes.length; at += byteCount) yield bytes.subarray(at, at + byteCount);
    })();
}

/** PS3.5 8.1.1: the first bit is the lowest of the first byte. */
function packed(bits: readonly boolean[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(bits.length / 8));
  bits.forEach((bit, i) => {
    if (bit) bytes[i >> 3] = (bytes[i >> 3] ?? 0) | (1 << (i & 7));
  });
  return bytes;
}
