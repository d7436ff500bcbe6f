import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decodeEncodedFrame, decodeStoredFrame, ExplicitVRLittleEndian, type ImagePixel } from '../index.js';
import { greyBytes, rleFrameOf } from '../../test-support/stored-frames.js';
import { turnsBeside } from '../../test-support/turns.js';

const side = 4000;
const image: ImagePixel = { ...greyBytes, rows: side, columns: side, frames: 1 };

const inColour = { samplesPerPixel: 3, photometricInterpretation: 'RGB' };

/** One segment of runs of 128 (PS3.5 G.3), all of one value. */
function inRuns(value: number): Uint8Array {
  const runs = (side * side) / 128;
  return rleFrameOf(Buffer.alloc(2 * runs, Uint8Array.of(257 - 128, value)));
}

describe('a large frame is decoded while others of the process have their turn', () => {
  it.each([
    ['RLE', '1.2.840.10008.1.2.5', () => inRuns(7)],
    ['deflated', '1.2.840.10008.1.2.8.1', () => deflateRawSync(Buffer.alloc(side * side, 7))],
  ])('%s', async (_, syntax, encoded) => {
    const [{ samples }, turns] = await turnsBeside(decodeEncodedFrame(syntax, new Uint8Array(encoded()), image));
    expect(samples).toHaveLength(side * side);
    expect(Buffer.from(samples.buffer).equals(Buffer.alloc(side * side, 7))).toBe(true);
    expect(turns).toBeGreaterThan(1);
  });

  it.each([
    ['of single bits', { ...image, bitsAllocated: 1, bitsStored: 1 }, Buffer.alloc((side * side) / 8, 0xff), 1],
    ['of planes', { ...image, ...inColour, planarConfiguration: 1 }, Buffer.alloc(side * side * 3, 7), 7],
    [
      'with subsampled chroma',
      { ...image, ...inColour, photometricInterpretation: 'YBR_FULL_422' },
      Buffer.alloc(side * side * 2, 7),
      7,
    ],
  ])('and a native one %s', async (_, of, bytes, level) => {
    const work = decodeStoredFrame({ bytes, transferSyntaxUid: ExplicitVRLittleEndian, image: of });
    const [{ samples }, turns] = await turnsBeside(work);
    expect(Buffer.from(samples.buffer).equals(Buffer.alloc(side * side * of.samplesPerPixel, level))).toBe(true);
    expect(turns).toBeGreaterThan(1);
  });

  it('also where RLE says nothing for long', async () => {
    const encoded = rleFrameOf(Buffer.concat([Buffer.alloc(32 * 1024 * 1024, 128), Uint8Array.of(257 - 128, 7)]));
    const row = { ...image, rows: 1, columns: 128 };
    const [{ samples }, turns] = await turnsBeside(decodeEncodedFrame('1.2.840.10008.1.2.5', encoded, row));
    expect(Buffer.from(samples.buffer).equals(Buffer.alloc(128, 7))).toBe(true);
    expect(turns).toBeGreaterThan(1);
  });

  it('and ends when nobody waits for it', async () => {
    const gone = new AbortController();
    const work = decodeEncodedFrame('1.2.840.10008.1.2.5', inRuns(7), image, gone.signal);
    setImmediate(() => gone.abort(new Error('gone')));
    await expect(work).rejects.toThrow('gone');
  });
});
