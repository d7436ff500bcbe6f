import { describe, expect, it } from 'vitest';

import { inOtherByteOrder, otherByteOrder, wordBytesOf } from './byte-order.js';

const value = Uint8Array.from({ length: 19 }, (_, i) => i);

describe('the byte order of a value', () => {
  it('is that of its words, and of bytes there is none', () => {
    expect(['OB', 'OW', 'OF', 'OL', 'OD', 'OV', 'UN', 'US'].map(wordBytesOf)).toEqual([1, 2, 4, 4, 8, 8, 1, 2]);
    expect([...otherByteOrder(Uint8Array.of(1, 2, 3, 4), 2)]).toEqual([2, 1, 4, 3]);
    expect([...otherByteOrder(Uint8Array.of(1, 2, 3, 4), 4)]).toEqual([4, 3, 2, 1]);
    expect([...otherByteOrder(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), 8)]).toEqual([8, 7, 6, 5, 4, 3, 2, 1]);
    expect([...otherByteOrder(Uint8Array.of(1, 2, 3), 1)]).toEqual([1, 2, 3]);
  });

  it('is changed in a copy, and what is no whole word at the end stays', () => {
    const bytes = Uint8Array.of(1, 2, 3);
    expect([...otherByteOrder(bytes, 2)]).toEqual([2, 1, 3]);
    expect([...bytes]).toEqual([1, 2, 3]);
  });

  it.each([1, 2, 4, 8])('is the same in pieces of any length as in one (words of %i bytes)', async (wordBytes) => {
    for (const pieceBytes of [1, 3, 4, 5, 19]) {
      const pieces = async function* (): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < value.length; at += pieceBytes)
          yield await Promise.resolve(value.slice(at, at + pieceBytes));
      };
      const got: number[] = [];
      for await (const piece of inOtherByteOrder(pieces(), wordBytes)) got.push(...piece);
      expect(got, `pieces of ${String(pieceBytes)}`).toEqual([...otherByteOrder(value, wordBytes)]);
    }
  });
});
