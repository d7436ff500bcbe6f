import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decodeEncodedFrame, type ImagePixel } from '../index.js';
import { greyBytes } from '../../test-support/stored-frames.js';

const image: ImagePixel = { ...greyBytes, rows: 2, columns: 6, frames: 1 };
const bits = { ...image, bitsAllocated: 1, bitsStored: 1 };
const subsampled = { ...image, rows: 1, columns: 2, samplesPerPixel: 3, photometricInterpretation: 'YBR_FULL_422' };
const byPlane = { ...image, rows: 1, columns: 2, samplesPerPixel: 3, planarConfiguration: 1 };

describe.each([
  ['as it is', '1.2.840.10008.1.2.1.98', (bytes: Uint8Array) => bytes],
  ['deflated', '1.2.840.10008.1.2.8.1', (bytes: Uint8Array) => new Uint8Array(deflateRawSync(bytes))],
] as const)('a frame in a fragment of its own, %s', (_, syntax, encoded) => {
  it.each<[string, ImagePixel, number[], number[]]>([
    ['single bits', bits, [0b10_000001, 0b1000], [1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]],
    ['subsampled chroma', subsampled, [10, 20, 30, 40], [10, 30, 40, 20, 30, 40]],
    ['planes', { ...byPlane, photometricInterpretation: 'RGB' }, [1, 2, 3, 4, 5, 6], [1, 3, 5, 2, 4, 6]],
  ])('has what native ones have: %s', async (_, of, stored, expected) => {
    const { samples } = await decodeEncodedFrame(syntax, encoded(Uint8Array.from(stored)), of);
    expect([...samples]).toEqual(expected);
    const short = decodeEncodedFrame(syntax, encoded(Uint8Array.from(stored.slice(1))), of);
    await expect(short).rejects.toMatchObject({ code: 'dicom.pixel-data-broken' });
  });
});
