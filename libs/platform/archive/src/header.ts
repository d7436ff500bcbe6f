import { buffer } from 'node:stream/consumers';

import { encapsulationEnds, type ParsedHeader, type RangeReader, readHeader } from '@callosum/dicom';
import type { ObjectStore } from '@callosum/object-store';

/** What an object is known by, and where its pixels are: SOP class and instance, study, series. */
export const identifyingTags: ReadonlySet<string> = new Set(['00080016', '00080018', '0020000D', '0020000E']);

/** Sequence Delimitation Item (FFFE,E0DD) with length 0, little endian (PS3.5 A.4). */
const sequenceDelimiter = Buffer.from([0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]);

const rangesOf =
  (store: ObjectStore, key: string): RangeReader =>
  async (offset, length) =>
    buffer(await store.get(key, { offset, length }));

/**
 * Reads what identifies a stored object by its first bytes, and by ranges where they are not enough; a deflated one to its
 * end, which tells whether it is whole. Nothing else of it is kept, however many elements it has.
 * @throws {DicomParseError} @throws {ObjectStoreUnavailableError}
 */
export const completeHeader = (
  store: ObjectStore,
  key: string,
  total: number,
  prefix: Uint8Array,
): Promise<ParsedHeader> => readHeader(rangesOf(store, key), total, { prefix, toTheEnd: true, only: identifyingTags });

/**
 * True when the object holds all of its Pixel Data. Native: its length says so. Encapsulated: its delimiter is near
 * the end; where it is not, its items are walked, which is rare (long elements behind the pixels).
 */
export async function pixelDataEnds(
  header: ParsedHeader,
  total: number,
  tail: Buffer,
  store: ObjectStore,
  key: string,
): Promise<boolean> {
  const { pixelData, transferSyntax } = header;
  // Of a deflated object the header is only had when all of it could be inflated.
  if (!pixelData || transferSyntax.deflated) return true;
  if (pixelData.byteCount !== undefined) return pixelData.offset + pixelData.byteCount <= total;
  // Not in the header: sequences there may end with the same delimiter.
  const pixelsInTail = Math.max(0, pixelData.offset - (total - tail.length));
  if (tail.includes(sequenceDelimiter, pixelsInTail)) return true;
  return encapsulationEnds(rangesOf(store, key), pixelData.offset, total);
}
