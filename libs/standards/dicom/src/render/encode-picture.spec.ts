import { describe, expect, it } from 'vitest';
import {
  decodeStoredFrame,
  DicomRenderError,
  encodePicture,
  type Gray8,
  type ImagePixel,
  type PictureFormat,
  type Rgb8,
} from '../index.js';
import { noise } from '../../test-support/objects.js';
import { readCodeStream } from '../pixels/codestream.js';

/** Soft enough for any encoder: a slope from left to right, and in colour another from top to bottom. */
const columns = 48;
const rows = 32;
const slope = (kind: 'gray8' | 'rgb8'): Gray8 | Rgb8 => ({
  kind,
  columns,
  rows,
  samples: Uint8Array.from({ length: columns * rows * (kind === 'gray8' ? 1 : 3) }, (_, i) => {
    const [pixel, channel] = kind === 'gray8' ? [i, 0] : [Math.floor(i / 3), i % 3];
    if (channel === 2) return 40;
    return channel === 0 ? (pixel % columns) * 5 : Math.floor(pixel / columns) * 7;
  }),
});

const image = (kind: 'gray8' | 'rgb8'): ImagePixel => ({
  rows,
  columns,
  frames: 1,
  samplesPerPixel: kind === 'gray8' ? 1 : 3,
  bitsAllocated: 8,
  bitsStored: 8,
  pixelRepresentation: 0,
  planarConfiguration: 0,
  photometricInterpretation: kind === 'gray8' ? 'MONOCHROME2' : 'YBR_FULL',
});

describe('a picture as JPEG', () => {
  it.each(['gray8', 'rgb8'] as const)('is a baseline stream of the same %s picture', async (kind) => {
    const picture = slope(kind);
    const bytes = await encodePicture(picture, { format: 'jpeg', quality: 95 });
    // SOF0: PS3.18 8.7.4 has no other process.
    expect(bytes.includes(0xc0)).toBe(true);
    const stream = readCodeStream(bytes);
    expect(stream).toMatchObject({ columns, rows, precision: 8, lossy: true, components: kind === 'gray8' ? 1 : 3 });
    const decoded = await decodeStoredFrame({ bytes, transferSyntaxUid: '1.2.840.10008.1.2.4.50', image: image(kind) });
    if (kind === 'gray8') {
      expect(greatestDifference(decoded.samples, picture.samples)).toBeLessThan(8);
      return;
    }
    // Red, green and blue became luma and chroma, and the stream says so.
    expect(stream?.colour).toBe('YBR_FULL');
    const [y = 0, blue = 0, red = 0] = decoded.samples;
    expect([y + 1.402 * (red - 128), y - 0.344 * (blue - 128) - 0.714 * (red - 128)].map(Math.round)).toEqual([
      expect.closeTo(0, -1),
      expect.closeTo(0, -1),
    ]);
    expect(y + 1.772 * (blue - 128)).toBeCloseTo(40, -1);
  });

  it('is smaller by a lower quality', async () => {
    const picture = { ...slope('rgb8'), samples: noise(columns * rows * 3) };
    const sizes = [];
    for (const quality of [100, 60, 10]) sizes.push((await encodePicture(picture, { format: 'jpeg', quality })).length);
    expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
    expect(new Set(sizes).size).toBe(3);
  });
});

describe('a picture as WebP', () => {
  it.each(['gray8', 'rgb8'] as const)('is a lossy file of the size of a %s picture', async (kind) => {
    const bytes = Buffer.from(await encodePicture(slope(kind), { format: 'webp' }));
    expect(bytes.toString('latin1', 0, 4)).toBe('RIFF');
    expect(bytes.readUInt32LE(4)).toBe(bytes.length - 8);
    // RFC 9649 2.5: a key frame, its start code, width and height.
    expect(bytes.toString('latin1', 8, 16)).toBe('WEBPVP8 ');
    expect(bytes.subarray(23, 26)).toEqual(Buffer.from([0x9d, 0x01, 0x2a]));
    expect([bytes.readUInt16LE(26), bytes.readUInt16LE(28)]).toEqual([columns, rows]);
  });
});

describe('a picture', () => {
  it('is left as it was', async () => {
    const picture = slope('gray8');
    for (const format of ['jpeg', 'webp', 'png'] as const) await encodePicture(picture, { format });
    expect(picture).toEqual(slope('gray8'));
  });

  it.each<[PictureFormat, number]>([
    ['jpeg', 0x1_0000],
    ['webp', 0x4000],
  ])('is refused where its sides are longer than %s has', async (format, side) => {
    const long: Gray8 = { kind: 'gray8', columns: side, rows: 1, samples: new Uint8Array(side) };
    await expect(encodePicture(long, { format })).rejects.toMatchObject({ problem: 'too-large' });
  });

  it.each([0, 101, 50.5, Number.NaN])('has no quality %s', async (quality) => {
    await expect(encodePicture(slope('gray8'), { format: 'jpeg', quality })).rejects.toThrow(DicomRenderError);
  });

  it('is not begun for who has gone', async () => {
    const gone = AbortSignal.abort(new Error('gone'));
    for (const format of ['jpeg', 'webp', 'png'] as const)
      await expect(encodePicture(slope('gray8'), { format }, gone)).rejects.toThrow('gone');
  });
});

function greatestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let greatest = 0;
  for (let i = 0; i < b.length; i++) greatest = Math.max(greatest, Math.abs((a[i] ?? 0) - (b[i] ?? 0)));
  return greatest;
}
