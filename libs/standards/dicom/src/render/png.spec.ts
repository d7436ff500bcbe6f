import type * as Zlib from 'node:zlib';
import { crc32, inflateSync } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { encodePng, type Picture } from '../index.js';
import { noise } from '../../test-support/objects.js';

/** How many are deflated at once. */
const deflating = vi.hoisted(() => ({ now: 0, most: 0 }));
vi.mock('node:zlib', async (original) => {
  const zlib = await original<typeof Zlib>();
  const deflate = (data: Uint8Array, options: Zlib.ZlibOptions, done: Zlib.CompressCallback): void => {
    deflating.most = Math.max(deflating.most, ++deflating.now);
    zlib.deflate(data, options, (...result) => {
      deflating.now--;
      done(...result);
    });
  };
  return { ...zlib, deflate };
});

interface Chunk {
  readonly type: string;
  readonly data: Buffer;
}

function chunksOf(png: Buffer): Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = 8; at < png.length;) {
    const end = at + 8 + png.readUInt32BE(at);
    const typed = png.subarray(at + 4, end);
    expect(png.readUInt32BE(end)).toBe(crc32(typed));
    chunks.push({ type: typed.toString('latin1', 0, 4), data: typed.subarray(4) });
    at = end + 4;
  }
  return chunks;
}

/** By the definition of the filter "Up". */
function unfiltered(bytes: Buffer, width: number): number[] {
  const rows: number[][] = [];
  for (let at = 0; at < bytes.length; at += width + 1) {
    expect(bytes[at]).toBe(2);
    const above = rows.at(-1);
    rows.push(Array.from(bytes.subarray(at + 1, at + 1 + width), (byte, i) => (byte + (above?.[i] ?? 0)) % 256));
  }
  return rows.flat();
}

describe('a PNG', () => {
  it.each([
    ['gray8', 1, 0],
    ['rgb8', 3, 2],
  ] as const)('of %s has its pixels', async (kind, channels, colourType) => {
    const picture: Picture = { kind, columns: 7, rows: 5, samples: noise(35 * channels) };
    const png = await encodePng(picture);
    expect(png.subarray(0, 8).toString('hex')).toBe('89504e470d0a1a0a');
    const [head, data, end] = chunksOf(png);
    expect([head?.type, data?.type, end?.type]).toEqual(['IHDR', 'IDAT', 'IEND']);
    expect([...(head?.data ?? [])]).toEqual([0, 0, 0, 7, 0, 0, 0, 5, 8, colourType, 0, 0, 0]);
    expect(unfiltered(inflateSync(data?.data ?? ''), 7 * channels)).toEqual([...picture.samples]);
  });

  it('leaves threads to who reads files, however many are made', async () => {
    const picture: Picture = { kind: 'gray8', columns: 300, rows: 300, samples: noise(90_000) };
    const all = await Promise.all(Array.from({ length: 8 }, () => encodePng(picture)));
    expect(new Set(all.map((png) => png.toString('hex'))).size).toBe(1);
    expect(deflating.most).toBe(2);
  });

  it('is not made for who has gone while others were made', async () => {
    const picture: Picture = { kind: 'gray8', columns: 500, rows: 500, samples: noise(250_000) };
    const gone = new AbortController();
    const [first, second, third] = [undefined, undefined, gone.signal].map((signal) => encodePng(picture, 9, signal));
    gone.abort(new Error('gone'));
    await expect(third).rejects.toThrow('gone');
    expect((await Promise.all([first, second])).length).toBe(2);
    expect((await encodePng(picture)).length).toBeGreaterThan(0);
  });
});
