import type { Samples } from '../geometry/volume.js';
import type { ImagePixel } from '../pixels/layout.js';

/** What samples mean as Stored Pixel Values. */
export interface StoredValues {
  /** The least and the greatest there can be; infinite of floating point. */
  readonly min: number;
  readonly max: number;
  /** Of a sample: the bits that Bits Stored and High Bit name, with their sign (PS3.5 8.1.1). */
  of(sample: number): number;
}

export const isFloat = (samples: Samples): boolean =>
  samples instanceof Float32Array || samples instanceof Float64Array;

/**
 * @param highBit High Bit (0028,0102); where it is absent or impossible, Bits Stored are the lowest of Bits Allocated
 */
export function storedValues(image: ImagePixel, samples: Samples, highBit: number | undefined): StoredValues {
  if (isFloat(samples)) return { min: -Infinity, max: Infinity, of: (sample) => sample };
  const { bitsAllocated, bitsStored: bits, pixelRepresentation } = image;
  const signed = pixelRepresentation === 1;
  const [min, max] = signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
  if (bits >= bitsAllocated) return { min, max, of: (sample) => sample };
  const isPossible = highBit !== undefined && highBit >= bits - 1 && highBit < bitsAllocated;
  const shift = isPossible ? highBit + 1 - bits : 0;
  // Fewer than 32 bits, so the bit operations of numbers do.
  const mask = 2 ** bits - 1;
  const unused = 32 - bits;
  const unsigned = (sample: number): number => (sample >>> shift) & mask;
  return { min, max, of: signed ? (sample) => (unsigned(sample) << unused) >> unused : unsigned };
}
