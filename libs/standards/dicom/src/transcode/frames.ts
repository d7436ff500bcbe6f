import { DicomPixelError } from '../errors.js';
import { toLittleEndian } from '../parse/byte-order.js';
import { startsCodeStream } from '../pixels/codestream.js';
import { byPixel, decoders, expand422 } from '../pixels/decode.js';
import type { ImagePixel } from '../pixels/layout.js';
import type { Steps } from '../render/steps.js';
import type { ByteStream } from './byte-stream.js';
import type { FrameFacts } from './facts.js';

const pieceBytes = 64 * 1024;
/** The largest word of a VR: pieces end between words. */
const wordBytesMax = 8;

/**
 * A value in pieces, swapped where the byte order changes (PS3.5 7.3).
 * @param vr says how long its words are
 */
export async function* valuePieces(
  stream: ByteStream,
  length: number,
  vr: string,
  swap: boolean,
): AsyncGenerator<Uint8Array> {
  for (let left = length; left > 0;) {
    if (!swap) {
      const piece = await stream.some(left);
      left -= piece.length;
      yield piece;
      continue;
    }
    await stream.fill(Math.min(left, pieceBytes));
    const byteCount = Math.min(left, stream.available);
    const whole = byteCount < left ? byteCount - (byteCount % wordBytesMax) : byteCount;
    const piece = whole === 0 ? await stream.read(Math.min(left, wordBytesMax)) : stream.take(whole);
    left -= piece.length;
    yield toLittleEndian(vr, piece);
  }
}

/** One frame of native Pixel Data as the codecs want it: colour by pixel, chroma as fine as luma, in a buffer of its own. */
export function* codecSamples(frame: Uint8Array, image: ImagePixel): Steps<Uint8Array> {
  if (image.photometricInterpretation === 'YBR_FULL_422') return yield* expand422(frame, image);
  const copy = new Uint8Array(frame);
  if (image.samplesPerPixel === 1 || image.planarConfiguration === 0) return copy;
  return new Uint8Array((yield* byPixel(wordsOf(copy, image), image, image.planarConfiguration)).buffer);
}

function wordsOf(
  { buffer }: Uint8Array<ArrayBuffer>,
  { bitsAllocated }: ImagePixel,
): Uint8Array | Uint16Array | Uint32Array {
  if (bitsAllocated === 8) return new Uint8Array(buffer);
  return bitsAllocated === 16 ? new Uint16Array(buffer) : new Uint32Array(buffer);
}

/**
 * The frames of encapsulated Pixel Data, one after the other: its fragments joined, in buffers of their own. Which
 * fragments belong together is told by offset tables and by where code streams start (PS3.5 A.4); a frame of a syntax
 * without start marks is one fragment, where no table says otherwise.
 * @param items Basic Offset Table first
 * Thrown when they are another number of frames than the dataset states, or a frame is too long: DicomPixelError.
 */
export async function* encodedFrames(
  items: AsyncIterable<Uint8Array>,
  { image, extendedOffsets }: Pick<FrameFacts, 'image' | 'extendedOffsets'>,
  transferSyntaxUid: string,
  frameBytesMax: number,
): AsyncGenerator<Uint8Array> {
  const hasMarks = decoders[transferSyntaxUid] !== undefined;
  let table: ReadonlySet<number> | undefined;
  let parts: Uint8Array[] = [];
  let byteCount = 0;
  let offset = 0;
  let count = 0;
  const end = (): Uint8Array => {
    const frame = new Uint8Array(Buffer.concat(parts));
    parts = [];
    byteCount = 0;
    if (++count > image.frames) throw otherCount();
    return frame;
  };
  const startsFrame = (item: Uint8Array): boolean => {
    if (image.frames === 1) return false;
    if (table && table.size === image.frames && table.has(offset)) return true;
    return hasMarks ? startsCodeStream(item) : table?.size !== image.frames;
  };
  for await (const item of items) {
    if (!table) {
      table = new Set(extendedOffsets.length > 0 ? extendedOffsets : uint32s(item));
      continue;
    }
    if (parts.length > 0 && startsFrame(item)) yield end();
    offset += 8 + item.length;
    byteCount += item.length;
    if (byteCount > frameBytesMax) throw broken(`A frame is longer than ${String(frameBytesMax)} bytes`);
    if (item.length > 0) parts.push(item);
  }
  if (parts.length > 0) yield end();
  if (count !== image.frames) throw otherCount();
}

const broken = (message: string): DicomPixelError => new DicomPixelError('dicom.pixel-data-broken', message);
const otherCount = (): DicomPixelError => broken('Pixel Data has another number of frames than the dataset states');

function uint32s(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, i) => view.getUint32(i * 4, true));
}

/** Samples of one bit, packed from the least significant bit on, frames without a gap between (PS3.5 8.1.1). */
export class BitPacker {
  #byte = 0;
  #bits = 0;

  /** The bytes that are full. @param samples 0 or 1 each */
  add(samples: Uint8Array): Uint8Array {
    const bytes = new Uint8Array((this.#bits + samples.length) >> 3);
    let at = 0;
    for (const sample of samples) {
      this.#byte |= (sample & 1) << this.#bits;
      if (++this.#bits < 8) continue;
      bytes[at++] = this.#byte;
      this.#byte = 0;
      this.#bits = 0;
    }
    return bytes;
  }

  end(): Uint8Array {
    return this.#bits === 0 ? new Uint8Array(0) : Uint8Array.of(this.#byte);
  }
}

/**
 * Works on several items at once and gives the results in the order of the items.
 * @param ahead items begun before the first of them is done
 */
export async function* inOrder<T, R>(
  items: AsyncIterable<T>,
  work: (item: T) => Promise<R>,
  ahead: number,
): AsyncGenerator<R> {
  const running: Promise<R>[] = [];
  for await (const item of items) {
    const result = work(item);
    // Whoever waits for it is told; one that nobody waits for any more is nothing to end the process for.
    result.catch(() => undefined);
    running.push(result);
    const first = running.length >= ahead ? running.shift() : undefined;
    if (first) yield await first;
  }
  for (const result of running) yield await result;
}
