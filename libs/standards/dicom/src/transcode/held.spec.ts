import { describe, expect, it } from 'vitest';
import { type DicomJson, ExplicitVRLittleEndian, RLELossless, transcode } from '../index.js';
import { fileOf, imageElements, type ImageOptions, noise, sourceOf, transcoded } from '../../test-support/objects.js';
import { rleFrameOf } from '../../test-support/stored-frames.js';

/** One RLE frame of 4 × 6 words: two segments of literals, and as many bytes behind them. */
function rleFrame(behind: number): Uint8Array {
  const literal = Buffer.concat([Uint8Array.of(23), noise(24)]);
  return rleFrameOf(literal, Buffer.concat([literal, Buffer.alloc(behind)]));
}

const inFragment = (frame: Uint8Array, image?: ImageOptions): DicomJson => ({
  ...imageElements(image),
  '7FE00010': { vr: 'OB', fragments: [new Uint8Array(0), frame] },
});
const icons = (count: number, side: number): DicomJson => {
  const icon = inFragment(new Uint8Array(64), { bits: 8, rows: side, columns: side });
  return { ...inFragment(rleFrame(0)), '00880200': { vr: 'SQ', Value: Array.from({ length: count }, () => icon) } };
};

describe('what is held of an object while it is transcoded', () => {
  it('is no code stream that is far longer than its frame could make it', async () => {
    const enough = await transcoded(fileOf(inFragment(rleFrame(200 * 1024)), RLELossless), ExplicitVRLittleEndian);
    expect(enough.length).toBeLessThan(10_000);
    const long = fileOf(inFragment(rleFrame(300 * 1024)), RLELossless);
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
