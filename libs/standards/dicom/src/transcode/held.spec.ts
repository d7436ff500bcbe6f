import { describe, expect, it } from 'vitest';
import { type DicomJson, ExplicitVRLittleEndian, RLELossless, transcode } from '../index.js';
import { fileOf, imageElements, noise, sourceOf, transcoded } from '../../test-support/objects.js';

/** One RLE frame of 4 × 6 words: two segments of literals, and as many bytes behind them. */
function rleFrame(behind: number): Uint8Array {
  const literal = Buffer.concat([Uint8Array.of(23), noise(24)]);
  const header = Buffer.alloc(64);
  header.writeUInt32LE(2, 0);
  header.writeUInt32LE(64, 4);
  header.writeUInt32LE(64 + literal.length, 8);
  return new Uint8Array(Buffer.concat([header, literal, literal, Buffer.alloc(behind)]));
}

const pixels = (frame: Uint8Array): DicomJson => ({
  ...imageElements(),
  '7FE00010': { vr: 'OB', fragments: [new Uint8Array(0), frame] },
});
const icons = (count: number, side: number): DicomJson => {
  const icon = {
    ...imageElements({ bits: 8, rows: side, columns: side }),
    '7FE00010': { vr: 'OB', fragments: [new Uint8Array(0), new Uint8Array(64)] },
  };
  return { ...pixels(rleFrame(0)), '00880200': { vr: 'SQ', Value: Array.from({ length: count }, () => icon) } };
};

describe('what is held of an object while it is transcoded', () => {
  it('is no code stream that is far longer than its frame could make it', async () => {
    const enough = await transcoded(fileOf(pixels(rleFrame(200 * 1024)), RLELossless), ExplicitVRLittleEndian);
    expect(enough.length).toBeLessThan(10_000);
    const long = fileOf(pixels(rleFrame(300 * 1024)), RLELossless);
    await expect(transcoded(long, ExplicitVRLittleEndian)).rejects.toMatchObject({ code: 'dicom.pixel-data-broken' });
  });

  it('is no icon that is larger than any, in a few bytes', async () => {
    const large = fileOf(icons(1, 3000), RLELossless);
    await expect(transcode(sourceOf(large), { to: ExplicitVRLittleEndian })).rejects.toMatchObject({
      problem: 'too-large',
    });
  });

  it('is no more icons than some', async () => {
    const looked = (count: number): Promise<unknown> =>
      transcode(sourceOf(fileOf(icons(count, 1024), RLELossless)), { to: RLELossless });
    await expect(looked(30)).resolves.toMatchObject({ hasPixels: true });
    await expect(looked(40)).rejects.toMatchObject({ problem: 'too-large' });
  });
});
