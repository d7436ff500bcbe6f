import { Readable } from 'node:stream';

import { LendingBody, type Pieces, piecesOf } from '@callosum/kernel';

import type { ByteRange, KeptInstance, KeptInstances } from './ports/archive.js';

/** What is passed over between two ranges rather than asked for anew: fragments have eight bytes between them (PS3.5 A.4). */
const gapBytesMax = 4 * 1024;

/**
 * Ranges of a blob as one stream, read as they are taken. Those that lie close together are one read: an object may have a
 * fragment of each byte, and a store takes its time for each question. The first is opened at once, so that what cannot be
 * read is known before the answer begins.
 */
export async function openRanges(
  kept: KeptInstances,
  { blobKey }: KeptInstance,
  ranges: readonly ByteRange[],
  signal: AbortSignal,
): Promise<Readable> {
  const open = async (group: Group): Promise<Readable> => {
    const { offset, end, ranges: inside } = group;
    const stored = await kept.open(blobKey, signal, { offset, length: end - offset });
    if (inside.length === 1) return stored;
    const cut = new LendingBody((isLent) => within(piecesOf(stored, isLent), group));
    return cut.once('close', () => stored.destroy());
  };
  const groups = grouped(ranges);
  const { value: group } = groups.next();
  if (!group) return Readable.from([]);
  const first = await open(group);
  const { value: second } = groups.next();
  if (!second) return first;
  const all = async function* (isLent: boolean): Pieces {
    yield* piecesOf(first, isLent);
    yield* piecesOf(await open(second), isLent);
    for (const group of groups) yield* piecesOf(await open(group), isLent);
  };
  return new LendingBody(all).once('close', () => first.destroy());
}

interface Group {
  /** Of the first byte, and behind the last. */
  readonly offset: number;
  readonly end: number;
  readonly ranges: readonly ByteRange[];
}

/** Ranges that are read together, in their order; none of nothing. */
function* grouped(ranges: readonly ByteRange[]): Generator<Group, undefined> {
  let inside: ByteRange[] = [];
  let [offset, end] = [0, 0];
  for (const range of ranges) {
    if (range.length === 0) continue;
    const isClose = inside.length > 0 && range.offset >= end && range.offset - end <= gapBytesMax;
    if (!isClose) {
      if (inside.length > 0) yield { offset, end, ranges: inside };
      inside = [];
      offset = range.offset;
    }
    inside.push(range);
    end = range.offset + range.length;
  }
  if (inside.length > 0) yield { offset, end, ranges: inside };
  return undefined;
}

/** What lies in the ranges of a group; each piece that is read gives one piece at most. */
async function* within(stored: AsyncIterable<Uint8Array>, { offset, ranges }: Group): Pieces {
  let begin = offset;
  let next = 0;
  for await (const piece of stored) {
    const end = begin + piece.length;
    const kept: Uint8Array[] = [];
    for (let range = ranges[next]; range && range.offset < end; range = ranges[next]) {
      kept.push(piece.subarray(Math.max(range.offset, begin) - begin, range.offset + range.length - begin));
      if (range.offset + range.length > end) break;
      next++;
    }
    const [only] = kept;
    if (only) yield kept.length === 1 ? only : Buffer.concat(kept);
    begin = end;
  }
}
