import {
  DicomPixelError,
  type ParsedHeader,
  type RangeReader,
  readHeader,
  readPixelDataLayout,
  transferSyntaxOf,
} from '@callosum/dicom';
import { CallosumError } from '@callosum/kernel';

import { InstanceMismatchError } from '../domain/errors.js';
import type { InstanceRecord, StoredInstance, StoredPixelLayout } from '../domain/instance.js';
import { recordOf } from '../domain/record.js';
import type { ShownInstances } from './withholdings.js';

/** Bytes of a blob by range; fewer are returned only where the blob ends. */
export interface BlobReader {
  read(blobKey: string, offset: number, byteCount: number): Promise<Uint8Array>;
}

/** Memory that all who read headers share: `ByteBudget`. */
export interface HeaderMemory {
  hold<T>(byteCount: number, work: () => Promise<T>): Promise<T>;
}

/** Memory for headers, in bytes: one of the longest at a time (`headerMemory`, its JSON), of a service that has 512 MiB. */
export const headerBytesMax = 256 * 1024 * 1024;

/** Bytes of memory the header of an instance may take at most, as far as that is known before it is read. */
export function headerBytesOf({ transferSyntaxUid, blob }: Pick<StoredInstance, 'transferSyntaxUid' | 'blob'>): number {
  // Short elements take many times what they take in a file; how many there are in a deflated one nobody knows.
  return transferSyntaxOf(transferSyntaxUid).deflated ? headerBytesMax : Math.min(headerBytesMax, blob.byteCount * 16);
}

/**
 * Reads what the index keeps of a stored instance: the header by range, never the pixels.
 * @throws {DicomParseError} when the blob is no readable DICOM object
 * @throws {InstanceMismatchError} when it is another instance than the one announced
 */
export async function readInstance(blobs: BlobReader, stored: StoredInstance): Promise<InstanceRecord> {
  const { key, byteCount: end } = stored.blob;
  // A range that starts at the end is an error to an S3 server.
  const read: RangeReader = async (offset, byteCount) =>
    offset >= end || byteCount === 0 ? new Uint8Array(0) : blobs.read(key, offset, Math.min(byteCount, end - offset));
  const header = await readHeader(read, end);
  const announced = [
    ['SOPInstanceUID', stored.sopInstanceUid],
    ['SeriesInstanceUID', stored.seriesInstanceUid],
    ['StudyInstanceUID', stored.studyInstanceUid],
  ] as const;
  for (const [keyword, uid] of announced) {
    if (header.dataset.string(keyword) !== uid) throw new InstanceMismatchError(stored.sopInstanceUid, keyword);
  }
  return recordOf(header, stored, await locateFrames(header, read));
}

/**
 * The same of a fact that may be old: undefined where the blob is gone because the archive shows it no more, as after
 * an erasure. A blob that is shown and not there is an error.
 */
export async function readShown(
  blobs: BlobReader & ShownInstances,
  stored: StoredInstance,
): Promise<InstanceRecord | undefined> {
  try {
    return await readInstance(blobs, stored);
  } catch (error) {
    if (!(error instanceof CallosumError && error.kind === 'not-found')) throw error;
    const shown = await blobs.shown(stored.studyInstanceUid, new Set([stored.sopInstanceUid]));
    if (shown.some(({ blob }) => blob.key === stored.blob.key)) throw error;
    return undefined;
  }
}

/** Null where frames are no ranges of the blob: without pixels, deflated, or broken ones. The object itself stays whole. */
async function locateFrames(header: ParsedHeader, read: RangeReader): Promise<StoredPixelLayout | null> {
  if (!header.pixelData) return null;
  try {
    const layout = await readPixelDataLayout(header, read);
    if (layout.deflated) return null;
    const { encapsulated, nativeOffset, nativeFrameBytes } = layout;
    const frames = layout.frames.map((fragments) =>
      fragments.map(({ offset, byteCount }) => [offset, byteCount] as const),
    );
    const { byteCount } = header.pixelData;
    const native = byteCount === undefined ? {} : { nativeByteCount: byteCount };
    return { encapsulated, nativeOffset, nativeFrameBytes, ...native, frames };
  } catch (error) {
    if (error instanceof DicomPixelError) return null;
    throw error;
  }
}
