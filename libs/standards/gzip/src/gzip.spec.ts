import { randomBytes } from 'node:crypto';
import { constants, crc32, deflateRawSync, gunzipSync, inflateRawSync } from 'node:zlib';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  BrokenPieceError,
  chunkBytesMin,
  crc32Combine,
  type DeflatedPiece,
  deflatePiece,
  type GzipPart,
  gzipMember,
  inflated,
} from './index.js';

async function collected(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

/** Bytes that a decoder which knows one member reads of it, and what they hold. */
function firstMember(member: Uint8Array): { byteCount: number; content: Buffer } {
  const { buffer, engine } = inflateRawSync(member.subarray(10), { info: true }) as unknown as {
    buffer: Buffer;
    engine: { bytesWritten: number };
  };
  return { byteCount: 10 + engine.bytesWritten + 8, content: buffer };
}

/** Metadata is text with much that comes again; lengths meet the sizes of zlib's own buffers. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc
    .tuple(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 4000 }))
    .map(([one, times]) => one.repeat(times)),
  fc.constantFrom('', '{"00080018":{"vr":"UI","Value":["2.25.1"]}}'),
);
/** A text (which JavaScript may hold and UTF-8 may not) as a client reads it. */
const asUtf8 = (value: string): Buffer => Buffer.from(value);
const piece = text.map((value) => ({ part: deflatePiece(value) as GzipPart, holds: asUtf8(value) }));
const literal = fc.oneof(
  fc.constantFrom('[', ',', ']', '').map((value) => ({ part: value as GzipPart, holds: Buffer.from(value) })),
  text.map((value) => ({ part: value as GzipPart, holds: asUtf8(value) })),
  fc.uint8Array({ maxLength: 300 }).map((value) => ({ part: value as GzipPart, holds: Buffer.from(value) })),
);
const parts = fc.array(fc.oneof(piece, literal), { maxLength: 12 });

/** By threes: what comes together is no matter. */
const inRuns = (all: readonly GzipPart[]): readonly (readonly GzipPart[])[] =>
  Array.from({ length: Math.ceil(all.length / 3) }, (_, at) => all.slice(3 * at, 3 * at + 3));

describe('crc32Combine', () => {
  it('is the CRC-32 of both, from that of each', () => {
    expect(crc32Combine(crc32('1234'), crc32('56789'), 5)).toBe(0xcbf43926);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), fc.uint8Array({ maxLength: 3000 }), (a, b) => {
        expect(crc32Combine(crc32(a), crc32(b), b.length)).toBe(crc32(Buffer.concat([a, b])));
      }),
      { seed: 20, numRuns: 300 },
    );
  });

  it('is the other where one is empty', () => {
    expect(crc32Combine(0, crc32('x'), 1)).toBe(crc32('x'));
    expect(crc32Combine(crc32('x'), 0, 0)).toBe(crc32('x'));
  });

  it('holds for lengths past 32 bits', () => {
    // Two runs of zeros are one run of twice the length; beyond 2²⁸ bytes the table of squarings begins again.
    let zeros = crc32(Uint8Array.of(0));
    for (let bits = 0; bits < 52; bits++) {
      const length = 2 ** bits;
      const twice = crc32Combine(zeros, zeros, length);
      const begun = crc32('begun');
      const inTwo = crc32Combine(crc32Combine(begun, zeros, length), zeros, length);
      expect(inTwo, `2^${String(bits)}`).toBe(crc32Combine(begun, twice, 2 * length));
      zeros = twice;
      if (bits === 19) expect(zeros).toBe(crc32(new Uint8Array(2 ** 20)));
    }
  });

  it.each([-1, 0.5, Number.NaN, 2 ** 53])('refuses %s as a byte count', (byteCount) => {
    expect(() => crc32Combine(1, 2, byteCount)).toThrow(RangeError);
  });
});

describe('deflatePiece', () => {
  it('ends at a byte, with the empty stored block of a full flush, and has no final block', () => {
    fc.assert(
      fc.property(text, (value) => {
        const { deflated, byteCount, crc32: crc } = deflatePiece(value);
        expect(byteCount).toBe(asUtf8(value).length);
        expect(crc).toBe(crc32(value));
        expect(Buffer.from(deflated.subarray(-4)).toString('hex')).toBe(byteCount === 0 ? '' : '0000ffff');
        // A decoder that waits for the end of the stream does not find it.
        expect(() => inflateRawSync(deflated)).toThrow('unexpected end of file');
      }),
      { seed: 21, numRuns: 200 },
    );
  });

  it('is small where much comes again', () => {
    expect(deflatePiece('{"vr":"DS","Value":[0.5]},'.repeat(1000)).deflated.length).toBeLessThan(500);
  });
});

describe('gzipMember', () => {
  it('is one member of all parts, whatever they are and wherever they stand', async () => {
    await fc.assert(
      fc.asyncProperty(parts, async (made) => {
        const holds = Buffer.concat(made.map((one) => one.holds));
        const member = await collected(gzipMember(inRuns(made.map(({ part }) => part))));
        expect(gunzipSync(member).equals(holds)).toBe(true);
        const first = firstMember(member);
        expect(first.byteCount).toBe(member.length);
        expect(first.content.equals(holds)).toBe(true);
        expect(member.readUInt32LE(member.length - 8)).toBe(crc32(holds));
        expect(member.readUInt32LE(member.length - 4)).toBe(holds.length);
      }),
      { seed: 22, numRuns: 300 },
    );
  });

  it('takes a piece many times, in any order', async () => {
    const [a, b] = [deflatePiece('one two three '.repeat(99)), deflatePiece('two three one '.repeat(99))];
    const member = await collected(gzipMember([[a, b, ',', b, a, a]]));
    expect(gunzipSync(member).toString()).toBe(
      ['one two three ', 'two three one ', ',', 'two three one ', 'one two three ', 'one two three ']
        .map((one) => (one === ',' ? one : one.repeat(99)))
        .join(''),
    );
  });

  it('stores literals of any length, those side by side in one block', async () => {
    for (const length of [1, 0xfffe, 0xffff, 0x10000, 3 * 0xffff, 3 * 0xffff + 1]) {
      const holds = Buffer.alloc(length, 'stored ');
      const whole = await collected(gzipMember([[holds]]));
      expect(gunzipSync(whole).equals(holds)).toBe(true);
      expect(firstMember(whole).byteCount).toBe(whole.length);
      // Header, blocks of 5 bytes and at most 65,535 held, final block, trailer.
      expect(whole.length).toBe(10 + 5 * Math.ceil(length / 0xffff) + length + 2 + 8);
      const split = await collected(gzipMember([[holds.subarray(0, 1), '', holds.subarray(1)]]));
      expect(split.equals(whole)).toBe(true);
    }
  });

  it('is an empty member of nothing', async () => {
    const member = await collected(gzipMember([]));
    expect(member.toString('hex')).toBe('1f8b08000000000000ff' + '0300' + '0000000000000000');
    expect(gunzipSync(member)).toHaveLength(0);
  });

  it('comes in chunks of 64 KiB and more, and takes no part before its turn', async () => {
    let taken = 0;
    let closed = false;
    const source = async function* (): AsyncGenerator<readonly GzipPart[]> {
      try {
        for (; taken < 1000; taken++) yield await Promise.resolve([new Uint8Array(16 * 1024).fill(taken)]);
      } finally {
        closed = true;
      }
    };
    const member = gzipMember(source());
    const first = await member.next();
    expect((first.value as Uint8Array).length).toBeGreaterThanOrEqual(chunkBytesMin);
    expect(taken).toBeLessThan(10);
    await member.return(undefined);
    expect(closed).toBe(true);
    expect(taken).toBeLessThan(10);
  });

  it('fails when its source does', async () => {
    const source = async function* (): AsyncGenerator<readonly GzipPart[]> {
      yield await Promise.resolve(['[']);
      throw new Error('the index has gone');
    };
    await expect(collected(gzipMember(source()))).rejects.toThrow('the index has gone');
  });
});

describe('inflated', () => {
  it('is what the member holds', async () => {
    await fc.assert(
      fc.asyncProperty(parts, async (made) => {
        const holds = Buffer.concat(made.map((one) => one.holds));
        expect((await collected(inflated(inRuns(made.map(({ part }) => part))))).equals(holds)).toBe(true);
      }),
      { seed: 23, numRuns: 200 },
    );
  });

  const long = 'A report, '.repeat(100_000);

  it('gives a long piece in parts', async () => {
    const chunks: number[] = [];
    for await (const chunk of inflated([[deflatePiece(long)]])) chunks.push(chunk.length);
    expect(chunks.reduce((sum, one) => sum + one, 0)).toBe(long.length);
    expect(Math.max(...chunks)).toBeLessThanOrEqual(64 * 1024);
  });

  const short = 'A report, '.repeat(10);
  it.each([
    ['another CRC-32', (one: DeflatedPiece) => ({ ...one, crc32: one.crc32 ^ 1 })],
    ['a length that is one more', (one: DeflatedPiece) => ({ ...one, byteCount: one.byteCount + 1 })],
    ['a length that is one less', (one: DeflatedPiece) => ({ ...one, byteCount: one.byteCount - 1 })],
    ['its end missing', (one: DeflatedPiece) => ({ ...one, deflated: one.deflated.subarray(0, 8) })],
    ['nothing in it', (one: DeflatedPiece) => ({ ...one, deflated: new Uint8Array() })],
    ['other bytes', (one: DeflatedPiece) => ({ ...one, deflated: new Uint8Array(20).fill(0xff) })],
  ])('refuses a piece with %s', async (_, broken) => {
    for (const value of [short, long])
      await expect(collected(inflated([['[', broken(deflatePiece(value))]]))).rejects.toThrow(BrokenPieceError);
  });

  it('comes in chunks of 64 KiB and more', async () => {
    const dataset = [',', deflatePiece(short.repeat(5)), 'https://pacs.example', deflatePiece(short)];
    const lengths: number[] = [];
    for await (const chunk of inflated(Array.from({ length: 1000 }, () => dataset))) lengths.push(chunk.length);
    expect(lengths.length).toBeGreaterThan(5);
    for (const length of lengths.slice(0, -1)) expect(length).toBeGreaterThanOrEqual(chunkBytesMin);
  });

  it.each([
    ['gives one of its bytes to the next', [1, -1]],
    ['takes one from the next', [-1, 1]],
    ['says nothing of the next', [short.length, -short.length]],
  ])('refuses pieces of which one %s', async (_, [first = 0, second = 0]) => {
    const piece = deflatePiece(short);
    const wrong = [first, second].map((more) => ({ ...piece, byteCount: piece.byteCount + more }));
    await expect(collected(inflated([[piece, ...wrong, piece]]))).rejects.toThrow(BrokenPieceError);
  });

  it('holds little of pieces that say they hold nothing', async () => {
    let taken = 0;
    const deflated = deflateRawSync(randomBytes(64 * 1024), { finishFlush: constants.Z_FULL_FLUSH });
    const source = async function* (): AsyncGenerator<readonly GzipPart[]> {
      for (; taken < 100; taken++) yield await Promise.resolve([{ deflated, byteCount: 0, crc32: 0 }]);
    };
    await expect(collected(inflated(source()))).rejects.toThrow(BrokenPieceError);
    expect(taken).toBeLessThan(5);
  });

  it('does not inflate more than a piece says it holds', async () => {
    const deflated = deflateRawSync(Buffer.alloc(64 * 1024 * 1024), { finishFlush: constants.Z_FULL_FLUSH });
    for (const byteCount of [0, 10, 512 * 1024]) {
      let given = 0;
      const read = async (): Promise<void> => {
        for await (const chunk of inflated([[{ deflated, byteCount, crc32: 0 }]])) given += chunk.length;
      };
      await expect(read()).rejects.toThrow(BrokenPieceError);
      expect(given).toBeLessThanOrEqual(byteCount);
    }
  });

  it('lets its source go with its reader', async () => {
    let closed = false;
    const source = async function* (): AsyncGenerator<readonly GzipPart[]> {
      try {
        for (;;) yield await Promise.resolve([deflatePiece(long)]);
      } finally {
        closed = true;
      }
    };
    const reader = inflated(source());
    await reader.next();
    await reader.return(undefined);
    expect(closed).toBe(true);
  });
});

describe('a part', () => {
  it('of text is UTF-8, also where it has half of a surrogate pair', async () => {
    for (const value of ['Ж中😀', '\ud83d']) {
      const member = await collected(gzipMember([[value, deflatePiece(value)]]));
      expect(gunzipSync(member).equals(Buffer.concat([asUtf8(value), asUtf8(value)]))).toBe(true);
    }
  });
});
