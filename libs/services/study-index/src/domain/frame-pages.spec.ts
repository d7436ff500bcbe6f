import { describe, expect, it } from 'vitest';

import { framePagesOf, framesOfPage, pageOfFrame, readFramePage } from './frame-pages.js';
import type { FrameFragments, StoredPixelLayout } from './instance.js';

const layout = (frames: readonly FrameFragments[], encapsulated = true): StoredPixelLayout => ({
  encapsulated,
  nativeOffset: 0,
  nativeFrameBytes: 0,
  frames,
});
/** Frames of some kilobytes one after the other, each behind the header of its item. */
const inOrder = (count: number, from = 1_500): FrameFragments[] => {
  let at = from;
  return Array.from({ length: count }, (_, i) => {
    const byteCount = 4_000 + ((i * 37) % 200);
    at += 8 + byteCount;
    return [[at - byteCount, byteCount]] as const;
  });
};
const read = (pages: readonly Uint8Array[]): (FrameFragments | undefined)[] =>
  pages.flatMap((page) => readFramePage(page) ?? []);

describe('pages of frames', () => {
  it.each([257, framesOfPage, framesOfPage + 1, 3 * framesOfPage])('say of %i frames where they are', (count) => {
    const frames = inOrder(count);
    const pages = framePagesOf(layout(frames));
    expect(pages).toHaveLength(Math.ceil(count / framesOfPage));
    expect(read(pages)).toEqual(frames);
  });

  it('are none of few frames, of native ones and of what has no ranges', () => {
    expect(framePagesOf(layout(inOrder(256)))).toEqual([]);
    expect(framePagesOf(layout(inOrder(300), false))).toEqual([]);
    expect(framePagesOf(null)).toEqual([]);
  });

  it('hold fragments in any order, frames without any, and offsets of a file of terabytes', () => {
    const odd: FrameFragments[] = [
      [],
      [
        [2 ** 45, 1],
        [2 ** 45 + 9, 70_000],
      ],
      [[12, 2 ** 33]],
      [[12, 0]],
      [[0, 5]],
    ];
    const frames = Array.from({ length: 300 }, (_, i) => odd[i % odd.length] ?? []);
    expect(read(framePagesOf(layout(frames)))).toEqual(frames);
  });

  it('take some bytes a frame', () => {
    const [page] = framePagesOf(layout(inOrder(framesOfPage, 2 ** 40)));
    expect(page?.length).toBeLessThan(5 * framesOfPage);
  });

  it('give the frames that are wanted alone', () => {
    const frames = inOrder(300);
    const [page] = framePagesOf(layout(frames));
    const found = readFramePage(page ?? new Uint8Array(), (place) => place === 0 || place === 299);
    expect(
      found?.map((fragments, place) => (fragments ? place : undefined)).filter((one) => one !== undefined),
    ).toEqual([0, 299]);
    expect([found?.[0], found?.[299]]).toEqual([frames[0], frames[299]]);
  });

  it.each([
    [1, 0],
    [framesOfPage, 0],
    [framesOfPage + 1, 1],
    [100_000, 24],
  ])('have frame %i in page %i', (number, page) => {
    expect(pageOfFrame(number)).toBe(page);
  });

  it('of another version are not read', () => {
    const [page] = framePagesOf(layout(inOrder(300)));
    expect(readFramePage(Uint8Array.from(page ?? []).fill(2, 0, 1))).toBeUndefined();
    expect(readFramePage(new Uint8Array())).toBeUndefined();
  });

  it('that are cut are not read, nor do they keep anybody busy', () => {
    const [page = new Uint8Array()] = framePagesOf(layout(inOrder(300)));
    const lengths = Array.from({ length: 299 }, (_, i) => readFramePage(page.subarray(0, page.length - 1 - i))?.length);
    // Where a cut falls between two frames, those before it are there.
    for (const length of lengths) expect(length ?? 0).toBeLessThan(300);
    // A frame that says it has 2^49 fragments.
    expect(readFramePage(Uint8Array.of(1, 128, 128, 128, 128, 128, 128, 128, 1))).toBeUndefined();
    expect(readFramePage(Uint8Array.of(1, 128, 128, 128, 128, 128, 128, 128, 1, 2, 2))).toBeUndefined();
  });
});
