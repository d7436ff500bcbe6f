import { BadRequestError } from './errors.js';

/** Frames of one request: a viewer asks for some, a client that wants all takes the instance. */
const framesMax = 1_000;

/** Reads a frame list, "1,5,6" (PS3.18 10.4.1.1.4). @throws {BadRequestError} */
export function readFrameList(list: string): number[] {
  const numbers = /^[1-9]\d{0,8}(,[1-9]\d{0,8})*$/.test(list) ? list.split(',').map(Number) : [];
  if (numbers.length === 0) throw new BadRequestError('the frame list is not a list of frame numbers from 1');
  if (numbers.length > framesMax) throw new BadRequestError(`more than ${framesMax} frames are asked for`);
  return numbers;
}

/**
 * One native frame out of the value of Pixel Data. With Bits Allocated 1 a frame may begin inside a byte (PS3.5 8.1.1
 * packs frames without a gap, first pixel in the lowest bit): it is shifted to begin at one, and its last byte filled
 * with zeros.
 * @param value of Pixel Data, little-endian
 * @param number from 1
 * @param frameBits bits of one frame
 * @returns undefined when the value ends before the frame does
 */
export function nativeFrame(value: Uint8Array, number: number, frameBits: number): Uint8Array | undefined {
  const startBit = (number - 1) * frameBits;
  if (startBit + frameBits > value.length * 8) return undefined;
  const start = Math.floor(startBit / 8);
  const shift = startBit % 8;
  if (shift === 0 && frameBits % 8 === 0) return value.subarray(start, start + frameBits / 8);
  const frame = new Uint8Array(Math.ceil(frameBits / 8));
  for (let i = 0; i < frame.length; i++) {
    frame[i] = ((value[start + i] ?? 0) >> shift) | ((value[start + i + 1] ?? 0) << (8 - shift));
  }
  const used = frameBits % 8;
  if (used > 0) frame[frame.length - 1] = (frame[frame.length - 1] ?? 0) & ((1 << used) - 1);
  return frame;
}
