import { buffer } from 'node:stream/consumers';

import { DicomParseError, parseFile, type ParsedHeader, parseHeader } from '@callosum/dicom';
import type { ObjectStore } from '@callosum/object-store';

/** A header beyond this (an encapsulated document of this size) is refused: it must be held to be parsed. */
const headerBytesMax = 512 * 1024 * 1024;
const growth = 4;
/** Sequence Delimitation Item (FFFE,E0DD) with length 0, little endian (PS3.5 A.4). */
const sequenceDelimiter = Buffer.from([0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]);

/** Reads the header of a stored object whose first `have` bytes were not enough. @throws {DicomParseError} */
export async function completeHeader(
  store: ObjectStore,
  key: string,
  total: number,
  have: number,
): Promise<ParsedHeader> {
  for (let length = have * growth; ; length *= growth) {
    const count = Math.min(length, total);
    if (count > headerBytesMax) throw new DicomParseError('The header is longer than what can be held');
    const prefix = await buffer(await store.get(key, { offset: 0, length: count }));
    const parsed = parseHeader(prefix, { complete: count === total });
    if (parsed !== 'need-more') return parsed;
  }
}

/**
 * True when the object holds all of its Pixel Data. Native: its length says so. Encapsulated: its delimiter is near
 * the end; where it is not, the whole object is read, which is rare (long elements behind the pixels).
 */
export async function pixelDataEnds(
  header: ParsedHeader,
  total: number,
  tail: Buffer,
  store: ObjectStore,
  key: string,
): Promise<boolean> {
  const { pixelData, transferSyntax } = header;
  // The header of a deflated object is only read when all of it could be inflated.
  if (!pixelData || transferSyntax.deflated) return true;
  if (pixelData.byteCount !== undefined) return pixelData.offset + pixelData.byteCount <= total;
  // Not in the header: sequences there may end with the same delimiter.
  const pixelsInTail = Math.max(0, pixelData.offset - (total - tail.length));
  if (tail.includes(sequenceDelimiter, pixelsInTail)) return true;
  if (total > headerBytesMax) return false;
  try {
    parseFile(await buffer(await store.get(key)));
    return true;
  } catch {
    return false;
  }
}
