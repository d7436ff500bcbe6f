import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decodeEncodedFrame, decodeStoredFrame, ExplicitVRLittleEndian, type ImagePixel } from '../index.js';

const side = 4000;
const image: ImagePixel = {
  rows: side,
  columns: side,
  frames: 1,
  samplesPerPixel: 1,
  bitsAllocated: 8,
  bitsStored: 8,
  pixelRepresentation: 0,
  planarConfiguration: 0,
  photometricInterpretation: 'MONOCHROME2',
};

const inColour = { samplesPerPixel: 3, photometricInterpretation: 'RGB' };

/** One segment of runs of 128 (PS3.5 G.3), all of one value. */
function inRuns(value: number): Uint8Array {
  const runs = (side * side) / 128;
  const frame = Buffer.alloc(64 + 2 * runs);
  frame.writeUInt32LE(1, 0);
  frame.writeUInt32LE(64, 4);
  for (let at = 64; at < frame.length; at += 2) {
    frame[at] = 257 - 128;
    frame[at + 1] = value;
  }
  return new Uint8Array(frame);
}

/** How often others had their turn while it was worked for. */
async function turnsBeside<T>(work: Promise<T>): Promise<[result: T, turns: number]> {
  let turns = 0;
  let isOver = false;
  const turn = (): void => {
    turns++;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  const result = await work;
  isOver = true;
  return [result, turns];
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
    const encoded = Buffer.alloc(64 + 32 * 1024 * 1024 + 2, 128);
    encoded.fill(0, 0, 64);
    encoded.writeUInt32LE(1, 0);
    encoded.writeUInt32LE(64, 4);
    encoded.set([257 - 128, 7], encoded.length - 2);
    const row = { ...image, rows: 1, columns: 128 };
    const [{ samples }, turns] = await turnsBeside(
      decodeEncodedFrame('1.2.840.10008.1.2.5', new Uint8Array(encoded), row),
    );
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
