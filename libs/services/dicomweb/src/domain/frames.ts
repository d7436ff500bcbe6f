import { BadRequestError } from './errors/door.js';

/** Frames of one request: a viewer asks for some, a client that wants all takes the instance. */
const framesMax = 1_000;

/** Reads a frame list, "1,5,6" (PS3.18 10.4.1.1.6). @throws {BadRequestError} */
export function readFrameList(list: string): number[] {
  const numbers = /^[1-9]\d{0,8}(,[1-9]\d{0,8})*$/.test(list) ? list.split(',').map(Number) : [];
  if (numbers.length === 0) throw new BadRequestError('the frame list is not a list of frame numbers from 1');
  if (numbers.length > framesMax) throw new BadRequestError(`more than ${framesMax} frames are asked for`);
  return numbers;
}

/** Where a native frame lies in the value of Pixel Data, in whole words of it. */
export interface NativeSpan {
  /** Bytes before it in the value. */
  readonly offset: number;
  /** Bytes of it. */
  readonly length: number;
  /** Bits of it that are of the frame before. */
  readonly skippedBits: number;
}

/**
 * PS3.5 8.1.1 packs frames without a gap: one of single bits may begin inside a byte, and one of odd length inside a word,
 * of which big-endian values have the second byte first.
 * @param number from 1
 * @param frameBits bits of one frame
 * @param wordBytes bytes of what is swapped together where the value is big-endian, else 1
 */
export function nativeSpan(number: number, frameBits: number, wordBytes: number): NativeSpan {
  const wordBits = wordBytes * 8;
  const firstBit = (number - 1) * frameBits;
  const offset = Math.floor(firstBit / wordBits) * wordBytes;
  const end = Math.ceil((firstBit + frameBits) / wordBits) * wordBytes;
  return { offset, length: end - offset, skippedBits: firstBit - offset * 8 };
}

/** True where a frame is those bytes, and nothing has to be cut off or moved. */
export const isWholeBytes = ({ length, skippedBits }: NativeSpan, frameBits: number): boolean =>
  skippedBits === 0 && length * 8 === frameBits;

/**
 * A frame out of its span: shifted to begin at a byte, the bits after its last one 0 (PS3.5 8.1.1, first pixel in the
 * lowest bit).
 * @param bytes of the span, little-endian
 */
export function cutFrame(bytes: Uint8Array, { skippedBits }: NativeSpan, frameBits: number): Uint8Array {
  const start = Math.floor(skippedBits / 8);
  const shift = skippedBits % 8;
  if (shift === 0 && frameBits % 8 === 0) return bytes.subarray(start, start + frameBits / 8);
  const frame = new Uint8Array(Math.ceil(frameBits / 8));
  for (let i = 0; i < frame.length; i++) {
    frame[i] = ((bytes[start + i] ?? 0) >> shift) | ((bytes[start + i + 1] ?? 0) << (8 - shift));
  }
  const used = frameBits % 8;
  if (used > 0) frame[frame.length - 1] = (frame[frame.length - 1] ?? 0) & ((1 << used) - 1);
  return frame;
}

/**
 * Frames as one value without a gap between them (PS3.5 8.1.1): where one ends inside a byte, the next goes on in it.
 * @param frames their bytes in pieces, each frame beginning at a byte
 * @param frameBits bits of one frame
 */
export async function* joinedFrames(
  frames: AsyncIterable<AsyncIterable<Uint8Array>>,
  frameBits: number,
): AsyncGenerator<Uint8Array> {
  let begun: BegunByte = { bits: 0, value: 0 };
  for await (const frame of frames) {
    let left = frameBits;
    for await (const piece of frame) {
      const bits = Math.min(left, piece.length * 8);
      left -= bits;
      if (bits === 0) continue;
      if (begun.bits === 0 && bits % 8 === 0) {
        yield piece.subarray(0, bits / 8);
        continue;
      }
      const joined = joinedTo(begun, piece, bits);
      ({ begun } = joined);
      if (joined.bytes.length > 0) yield joined.bytes;
    }
  }
  if (begun.bits > 0) yield Uint8Array.of(begun.value);
}

/** A byte of which only the lowest bits are known. */
interface BegunByte {
  readonly bits: number;
  readonly value: number;
}

/** The bytes that bits make behind those of a byte that is begun, and the one that they leave begun. */
function joinedTo(
  { bits: begunBits, value }: BegunByte,
  piece: Uint8Array,
  bits: number,
): { readonly bytes: Uint8Array; readonly begun: BegunByte } {
  const all = begunBits + bits;
  const bytes = new Uint8Array(Math.ceil(all / 8));
  bytes[0] = value;
  for (let i = 0; i * 8 < bits; i++) {
    const used = Math.min(8, bits - i * 8);
    const byte = (piece[i] ?? 0) & ((1 << used) - 1);
    bytes[i] = (bytes[i] ?? 0) | (byte << begunBits);
    if (i + 1 < bytes.length) bytes[i + 1] = byte >> (8 - begunBits);
  }
  const whole = Math.floor(all / 8);
  return { bytes: bytes.subarray(0, whole), begun: { bits: all % 8, value: all % 8 > 0 ? (bytes[whole] ?? 0) : 0 } };
}
