import type { imaging } from '@callosum/contracts';
import { dicomJsonText, nativeFrameBits } from '@callosum/dicom';

import { AnswerTooLargeError } from '../domain/errors.js';
import { type DicomJson, type FrameFragments, jsonText } from '../domain/instance.js';
import type { LocatedObject } from './queries.js';

/** A message is no larger, but for one row that alone is: many small ones cost more than they carry. */
const messageBytesMax = 256 * 1024;
/** Readers take 64 MiB, of which a mebibyte is left to what stands beside a text. */
const readableBytesMax = 63 * 1024 * 1024;
/** Frames of one request. */
export const framesMax = 4_096;
/** Marks before fields, and a piece's numbers. */
const markBytes = 16;

/** Fragments by message, in their order. */
export async function* metadataMessages(
  fragments: AsyncIterable<imaging.MetadataFragment>,
): AsyncGenerator<imaging.ReadMetadataResponse> {
  const sizeOf = ({ seriesInstanceUid, sopInstanceUid, blobKey, pieces }: imaging.MetadataFragment): number =>
    pieces.reduce(
      (sum, { deflated }) => sum + deflated.length + markBytes,
      seriesInstanceUid.length + sopInstanceUid.length + Buffer.byteLength(blobKey) + markBytes,
    );
  for await (const batch of batches(fragments, Number.POSITIVE_INFINITY, sizeOf)) yield { fragments: batch };
}

/**
 * The size of an answer, or of a text that is most of one. What is too large fails at its reader, to whom that looks as if
 * the index did not answer, however often it asks.
 * @throws {AnswerTooLargeError}
 */
export function readable(bytes: number): number {
  if (bytes > readableBytesMax) throw new AnswerTooLargeError();
  return bytes;
}

/** @throws {AnswerTooLargeError} */
export function readableText(text: string): string {
  readable(Buffer.byteLength(text));
  return text;
}

/**
 * Matches of a search by message, in their order.
 * @param rowsMax rows in one of them, from 1
 * @throws {AnswerTooLargeError} for a match that fits into none
 */
export async function* searchMessages(
  datasets: AsyncIterable<DicomJson>,
  rowsMax: number,
): AsyncGenerator<imaging.SearchRow[]> {
  const rows = async function* (): AsyncGenerator<imaging.SearchRow> {
    for await (const dataset of datasets) yield rowOf(dataset);
  };
  yield* batches(rows(), rowsMax, ({ dicomJson }) => readable(Buffer.byteLength(dicomJson)));
}

/** UIDs of the resource that a dataset describes, beside its text. */
const rowOf = (dataset: DicomJson): imaging.SearchRow => ({
  dicomJson: dicomJsonText(dataset),
  studyInstanceUid: jsonText(dataset, '0020000D'),
  seriesInstanceUid: jsonText(dataset, '0020000E'),
  sopInstanceUid: jsonText(dataset, '00080018'),
});

/** Where the frames of an object are: a list of them a message, and one message where there is none. */
export function* frameMessages(object: LocatedObject): Generator<imaging.LocateFramesResponse> {
  const layout = isKnown(object) ? object.layout : null;
  const message = (frames: readonly FrameFragments[]): imaging.LocateFramesResponse => ({
    sopInstanceUid: object.sopInstanceUid,
    blobKey: object.blobKey,
    transferSyntaxUid: object.transferSyntaxUid,
    image: object.image,
    encapsulated: layout?.encapsulated ?? false,
    nativeOffset: BigInt(layout?.nativeOffset ?? 0),
    nativeFrameBytes: BigInt(layout?.nativeFrameBytes ?? 0),
    nativeByteCount: BigInt(layout?.nativeByteCount ?? 0),
    frames: frames.map((fragments) => ({
      fragments: fragments.map(([offset, byteCount]) => ({ offset: BigInt(offset), byteCount: BigInt(byteCount) })),
    })),
  });
  let isFirst = true;
  for (const frames of object.frames) {
    isFirst = false;
    yield message(frames);
  }
  if (isFirst) yield message([]);
}

/**
 * Whether frames lie where the layout says. Of native ones that is so when the value is known to hold all of them: behind
 * its end are other elements, and who reads a frame there would take those for pixels. Else the object's header is asked.
 */
function isKnown({ image, layout }: LocatedObject): boolean {
  if (!layout || layout.encapsulated) return true;
  if (!image || layout.nativeByteCount === undefined) return false;
  return image.frames * nativeFrameBits(image) <= layout.nativeByteCount * 8;
}

async function* batches<T>(rows: AsyncIterable<T>, rowsMax: number, bytesOf: (row: T) => number): AsyncGenerator<T[]> {
  let batch: T[] = [];
  let bytes = 0;
  for await (const row of rows) {
    const more = bytesOf(row);
    if (batch.length > 0 && (batch.length >= rowsMax || bytes + more > messageBytesMax)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(row);
    bytes += more;
  }
  if (batch.length > 0) yield batch;
}
