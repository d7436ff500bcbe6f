import { buffer } from 'node:stream/consumers';

import type { ChosenBodies, FrameBody, ReadFrames } from '../application/read-frames.js';
import { frameChoices } from '../domain/frame-choices.js';
import { readAccept } from '../domain/negotiate.js';
import { type Blob, type Image, memoryOf, samples } from './kept.js';

export const octets = 'multipart/related; type="application/octet-stream"';
export const asStored = `${octets}; transfer-syntax=*`;

/** Frames in the first form that is accepted and possible. */
export function read(
  frames: ReadFrames,
  { instance }: Blob,
  numbers: readonly number[],
  accept = octets,
  memory = memoryOf(),
) {
  const choices = frameChoices(readAccept(accept, undefined), instance.transferSyntaxUid, numbers.length > 1);
  return frames.read(instance, numbers, choices, memory);
}

export async function bytesOf({ first, rest }: ChosenBodies<FrameBody>): Promise<Buffer[]> {
  const all = [await buffer(await first.open())];
  for await (const frame of rest) all.push(await buffer(await frame.open()));
  return all;
}

/** Images whose frames do not begin at words, and those that do. */
export const images: Readonly<Record<string, Image>> = {
  '16 bits': { rows: 3, columns: 5, frames: 3, bitsAllocated: 16, vr: 'OW', pixels: samples(90) },
  '8 bits of odd length in words': { rows: 3, columns: 5, frames: 3, bitsAllocated: 8, vr: 'OW', pixels: samples(46) },
  '8 bits of odd length in bytes': { rows: 3, columns: 5, frames: 3, bitsAllocated: 8, vr: 'OB', pixels: samples(46) },
  'single bits': {
    rows: 3,
    columns: 5,
    frames: 3,
    bitsAllocated: 1,
    vr: 'OB',
    pixels: Uint8Array.of(0xa5, 0x3c, 0x77, 0x91, 0xee, 0x1f),
  },
  floats: {
    rows: 3,
    columns: 5,
    frames: 3,
    bitsAllocated: 32,
    vr: 'OF',
    tag: '7FE00008',
    pixels: new Uint8Array(Float32Array.from({ length: 45 }, (_, i) => i / 7).buffer),
  },
};

/** The frames of it, by the book: bit by bit. */
export function framesOf({ rows, columns, frames, bitsAllocated, pixels }: Image): Buffer[] {
  const bits = rows * columns * bitsAllocated;
  return Array.from({ length: frames }, (_, frame) => {
    const out = Buffer.alloc(Math.ceil(bits / 8));
    for (let bit = 0; bit < bits; bit++) {
      const at = frame * bits + bit;
      const set = ((pixels[at >> 3] ?? 0) >> (at & 7)) & 1;
      out[bit >> 3] = (out[bit >> 3] ?? 0) | (set << (bit & 7));
    }
    return out;
  });
}
