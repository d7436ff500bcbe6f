import type { FrameFragments, StoredPixelLayout } from './instance.js';

/** Objects of more frames have pages of them: what is less is read with its row. */
const unpagedMax = 256;
/** Frames of one page. */
export const framesOfPage = 4_096;
/** How pages are written. Those of another number are not read: the layout of the row says the same. */
const version = 1;

/** The page, from 0, that has a frame. @param number from 1 */
export const pageOfFrame = (number: number): number => Math.floor((number - 1) / framesOfPage);

/**
 * Where the fragments of each frame are, in pages (docs/adr/0081): of an object with a hundred thousand frames one is found
 * without reading of the others. None of what is native, or has few frames.
 *
 * A page is the version, and for each frame the number of its fragments and for each of these how far behind the end of
 * the one before it begins (zigzag, from the beginning of the blob for the first of a page) and how long it is; all as
 * base 128 varints.
 */
export function framePagesOf(layout: StoredPixelLayout | null): Uint8Array[] {
  if (!layout?.encapsulated || layout.frames.length <= unpagedMax) return [];
  const pages: Uint8Array[] = [];
  for (let from = 0; from < layout.frames.length; from += framesOfPage)
    pages.push(pageOf(layout.frames.slice(from, from + framesOfPage)));
  return pages;
}

function pageOf(frames: readonly FrameFragments[]): Uint8Array {
  const bytes: number[] = [version];
  let end = 0;
  for (const fragments of frames) {
    putVarint(bytes, fragments.length);
    for (const [offset, byteCount] of fragments) {
      const gap = offset - end;
      // Offset tables may name frames in any order.
      putVarint(bytes, gap < 0 ? -2 * gap - 1 : 2 * gap);
      putVarint(bytes, byteCount);
      end = offset + byteCount;
    }
  }
  return Uint8Array.from(bytes);
}

function putVarint(bytes: number[], value: number): void {
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) + 128);
  bytes.push(left);
}

/**
 * The frames of a page.
 * @param isWanted by place in the page, from 0; the others are passed over and undefined
 * @returns undefined when the page is of another version, or broken
 */
export function readFramePage(
  page: Uint8Array,
  isWanted: (place: number) => boolean = () => true,
): (FrameFragments | undefined)[] | undefined {
  if (page[0] !== version) return undefined;
  const frames: (FrameFragments | undefined)[] = [];
  let at = 1;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = page[at++];
      // No number is longer: past the end there is none.
      if (byte === undefined) return Number.NaN;
      value += (byte % 128) * factor;
      if (byte < 128) return value;
    }
  };
  for (let end = 0; at < page.length;) {
    const fragments: (readonly [number, number])[] = [];
    const wanted = isWanted(frames.length);
    for (let left = varint(); left > 0; left--) {
      if (at >= page.length) return undefined;
      const gap = varint();
      const offset = end + (gap % 2 === 0 ? gap / 2 : -(gap + 1) / 2);
      const byteCount = varint();
      end = offset + byteCount;
      if (wanted) fragments.push([offset, byteCount]);
    }
    frames.push(wanted ? fragments : undefined);
    if (!Number.isSafeInteger(end) || at > page.length) return undefined;
  }
  return frames;
}
