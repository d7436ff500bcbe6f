import { buffer } from 'node:stream/consumers';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { Blob, samples } from '../test-support/kept.js';
import { openRanges } from './open-ranges.js';
import type { ByteRange } from './ports/archive.js';

const { signal } = new AbortController();
const open = (blob: Blob, ranges: readonly ByteRange[]) => openRanges(blob, blob.instance, ranges, signal);
const expected = (blob: Blob, ranges: readonly ByteRange[]): Buffer =>
  Buffer.concat(ranges.map(({ offset, length }) => blob.bytes.subarray(offset, offset + length)));

describe('ranges of a blob', () => {
  it('are what lies in them, in their order, wherever that is', async () => {
    const blob = new Blob(samples(300_000));
    const range = fc
      .tuple(fc.integer({ min: 0, max: 299_999 }), fc.integer({ min: 0, max: 150_000 }))
      .map(([offset, length]) => ({ offset, length: Math.min(length, 300_000 - offset) }));
    const near = fc
      .array(fc.tuple(fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 0, max: 70_000 })))
      .map((steps) => {
        let at = 0;
        return steps.flatMap(([gap, length]) => {
          const offset = at + gap;
          at = offset + length;
          return at <= 300_000 ? [{ offset, length }] : [];
        });
      });
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.array(range, { maxLength: 5 }), near), async (ranges) => {
        expect((await buffer(await open(blob, ranges))).equals(expected(blob, ranges))).toBe(true);
      }),
      { seed: 17, numRuns: 100 },
    );
  });

  it('that lie close together are one read: fragments of a frame', async () => {
    const blob = new Blob(samples(100_000));
    const fragments = Array.from({ length: 5_000 }, (_, i) => ({ offset: 100 + i * 9, length: 1 }));
    expect(await buffer(await open(blob, fragments))).toEqual(expected(blob, fragments));
    expect(blob.opened).toEqual([{ offset: 100, length: 4_999 * 9 + 1 }]);
  });

  it('that lie far apart are each a read, when the one before has been taken', async () => {
    const blob = new Blob(samples(100_000));
    const ranges = [0, 50_000, 90_000, 10].map((offset) => ({ offset, length: 10 }));
    const stream = await open(blob, ranges);
    expect(blob.opened).toHaveLength(1);
    expect(await buffer(stream)).toEqual(expected(blob, ranges));
    expect(blob.opened).toEqual(ranges);
  });

  it('are let go where nobody reads them, and nothing of none', async () => {
    const blob = new Blob(samples(1_000));
    expect(await buffer(await open(blob, []))).toHaveLength(0);
    expect(await buffer(await open(blob, [{ offset: 5, length: 0 }]))).toHaveLength(0);
    expect(blob.opened).toEqual([]);
    const stream = await open(blob, [
      { offset: 0, length: 5 },
      { offset: 10, length: 5 },
    ]);
    stream.destroy();
    await expect.poll(() => stream.destroyed).toBe(true);
    expect(blob.opened).toHaveLength(1);
  });
});
