import { Readable } from 'node:stream';

import { inOtherByteOrder, nativeFrameBits } from '@callosum/dicom';

import { NotFoundError, TooLargeError } from '../domain/errors/door.js';
import { cutFrame, isWholeBytes, type NativeSpan, nativeSpan } from '../domain/frames.js';
import type { NativeLayout } from './layout-cache.js';
import type { ByteRange, KeptInstance, KeptInstances } from './ports/archive.js';
import { bytesOf, inflatedRange, streamOf } from './stored-file.js';

/** Frames of one request that are inflated out of a deflated object: for each of them it is inflated from its beginning. */
const inflatedFramesMax = 16;

/** One native frame: little-endian octets without padding. */
export interface NativeFrame {
  readonly number: number;
  readonly byteCount: number;
  /** Where its octets lie as they are; undefined where they have to be cut out, swapped or inflated. */
  readonly ranges?: readonly ByteRange[];
  /** True where it begins or ends inside a byte or word: then it is in memory twice, from when it is opened. */
  readonly held: boolean;
  /** Its octets as a stream, read as they are taken, or held. */
  open(): Promise<Readable>;
}

/**
 * The native frames of one blob.
 * @throws {NotFoundError} where the value ends before a frame does
 * @throws {TooLargeError} for more frames of a deflated object than are inflated in one request
 */
export function nativeFrames(
  kept: KeptInstances,
  instance: KeptInstance,
  layout: NativeLayout,
  numbers: readonly number[],
  signal: AbortSignal,
): readonly NativeFrame[] {
  const { deflatedFrom, image, wordBytes } = layout;
  if (deflatedFrom !== undefined && numbers.length > inflatedFramesMax)
    throw new TooLargeError(
      `${String(inflatedFramesMax)} frames of a deflated object are given at once: ask for fewer, or retrieve the instance`,
    );
  const frameBits = nativeFrameBits(image);
  const byteCount = Math.ceil(frameBits / 8);
  return numbers.map((number) => {
    const span = spanIn(layout, number);
    const range: ByteRange = { offset: layout.offset + span.offset, length: span.length };
    const octets = (): Promise<Readable> => littleEndian(kept, instance, layout, range, signal);
    if (isWholeBytes(span, frameBits))
      return {
        number,
        byteCount,
        held: false,
        ...(wordBytes === 1 && deflatedFrom === undefined ? { ranges: [range] } : {}),
        open: octets,
      };
    return {
      number,
      byteCount,
      held: true,
      open: async () => streamOf(cutFrame(await bytesOf(await octets(), range.length, signal), span, frameBits)),
    };
  });
}

/** @throws {NotFoundError} where the value ends before the frame does */
function spanIn({ image, wordBytes, byteCount }: NativeLayout, number: number): NativeSpan {
  const frameBits = nativeFrameBits(image);
  const span = nativeSpan(number, frameBits, wordBytes);
  if (number * frameBits > byteCount * 8) throw new NotFoundError(`frame ${String(number)}`);
  // The last word may be cut short where the value's length is no multiple of it.
  return { ...span, length: Math.min(span.length, byteCount - span.offset) };
}

/** A range of the value of Pixel Data, or of another one, in little-endian order. */
export async function littleEndian(
  kept: KeptInstances,
  instance: KeptInstance,
  { deflatedFrom, wordBytes }: Pick<NativeLayout, 'deflatedFrom' | 'wordBytes'>,
  range: ByteRange,
  signal: AbortSignal,
): Promise<Readable> {
  if (deflatedFrom !== undefined) {
    const dataset = { kept, instance, datasetOffset: deflatedFrom };
    return Readable.from(inflatedRange(dataset, range, signal), { objectMode: false });
  }
  const stored = await kept.open(instance.blobKey, signal, range);
  if (wordBytes === 1) return stored;
  const swapped = Readable.from(inOtherByteOrder(stored as AsyncIterable<Uint8Array>, wordBytes), {
    objectMode: false,
  });
  return swapped.once('close', () => stored.destroy());
}
