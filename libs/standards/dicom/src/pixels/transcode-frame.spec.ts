import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { testDataPath } from '@callosum/testing';
import { describe, expect, it } from 'vitest';
import {
  decodeFrames,
  decodeStoredFrame,
  DicomPixelError,
  ExplicitVRBigEndian,
  ExplicitVRLittleEndian,
  HTJ2KLossless,
  imagePixel,
  ImplicitVRLittleEndian,
  JPEG2000Lossless,
  JPEGLossless,
  JPEGLSLossless,
  parseFile,
  RLELossless,
  transcodeFrame,
  type ImagePixel,
  type StoredFrame,
} from '../index.js';
import { noise } from '../../test-support/objects.js';
import { greyBytes, storedFrames } from '../../test-support/stored-frames.js';
import { words } from '../../test-support/pictures.js';

const grey: ImagePixel = { ...greyBytes, rows: 1, columns: 3, frames: 1, bitsAllocated: 16, bitsStored: 16 };
const colour: ImagePixel = {
  ...grey,
  rows: 4,
  columns: 6,
  samplesPerPixel: 3,
  bitsAllocated: 8,
  bitsStored: 8,
  photometricInterpretation: 'RGB',
};
const octetsOf = async (frame: StoredFrame): Promise<number[]> => [
  ...(await transcodeFrame(frame, ExplicitVRLittleEndian)).bytes,
];

describe('a native frame as octets', () => {
  it('stays as it lies: by plane, and with one chroma for two pixels', async () => {
    const pixels = noise(72);
    for (const image of [colour, { ...colour, planarConfiguration: 1 }]) {
      const { bytes, image: after } = await transcodeFrame(
        { bytes: pixels, transferSyntaxUid: ImplicitVRLittleEndian, image },
        ExplicitVRLittleEndian,
      );
      expect(bytes).toEqual(pixels);
      expect(after).toEqual(image);
    }
    const image = { ...colour, photometricInterpretation: 'YBR_FULL_422' };
    const frame = { bytes: noise(48), transferSyntaxUid: ExplicitVRLittleEndian, image };
    expect(await octetsOf(frame)).toEqual([...noise(48)]);
  });

  it('is little-endian', async () => {
    const frame = { bytes: Uint8Array.of(1, 2, 3, 4, 5, 6), transferSyntaxUid: ExplicitVRBigEndian, image: grey };
    expect(await octetsOf(frame)).toEqual([2, 1, 4, 3, 6, 5]);
    const bytes = { ...grey, bitsAllocated: 8, bitsStored: 8 };
    expect(await octetsOf({ ...frame, image: bytes })).toEqual([1, 2, 3]);
    // Bytes in big-endian words: the third stands behind the padding.
    expect(await octetsOf({ ...frame, image: bytes, vr: 'OW' })).toEqual([2, 1, 4]);
  });

  it('has neither padding nor bits of its neighbour', async () => {
    const frame = { transferSyntaxUid: ExplicitVRLittleEndian, image: grey };
    expect(await octetsOf({ ...frame, bytes: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) })).toEqual([1, 2, 3, 4, 5, 6]);
    const bits = { ...grey, columns: 11, bitsAllocated: 1, bitsStored: 1 };
    expect(await octetsOf({ ...frame, image: bits, bytes: Uint8Array.of(0xa5, 0xff) })).toEqual([0xa5, 0x07]);
  });

  it('that is short is refused', async () => {
    const frame = { bytes: Uint8Array.of(1, 2, 3, 4, 5), transferSyntaxUid: ExplicitVRLittleEndian, image: grey };
    await expect(octetsOf(frame)).rejects.toThrow(DicomPixelError);
    await expect(transcodeFrame(frame, RLELossless)).rejects.toThrow(DicomPixelError);
  });

  it('of floating point stays, and has no compressed form', async () => {
    const image = { ...grey, columns: 2, bitsAllocated: 32, bitsStored: 32 };
    const pixels = new Uint8Array(Float32Array.of(0.5, -1).buffer);
    const frame = { bytes: pixels, transferSyntaxUid: ExplicitVRLittleEndian, image, tag: '7FE00008' };
    expect(await octetsOf(frame)).toEqual([...pixels]);
    expect((await decodeStoredFrame(frame)).samples).toEqual(Float32Array.of(0.5, -1));
    await expect(transcodeFrame(frame, RLELossless)).rejects.toMatchObject({ code: 'dicom.transcode.unfit' });
    const swapped = Uint8Array.from(pixels);
    for (let at = 0; at < 8; at += 4) swapped.subarray(at, at + 4).reverse();
    expect(await octetsOf({ ...frame, bytes: swapped, transferSyntaxUid: ExplicitVRBigEndian })).toEqual([...pixels]);
  });
});

const lossless = [RLELossless, JPEGLossless, JPEGLSLossless, JPEG2000Lossless, HTJ2KLossless];

describe('a frame in a lossless syntax', () => {
  it.each(lossless)('%s decodes to the same samples, by pixel', async (to) => {
    const byPlane = { ...colour, planarConfiguration: 1 };
    const frame = { bytes: noise(72), transferSyntaxUid: ExplicitVRLittleEndian, image: byPlane };
    const encoded = await transcodeFrame(frame, to);
    const isTransformed = to === JPEG2000Lossless || to === HTJ2KLossless;
    expect(encoded.image).toEqual({ ...colour, photometricInterpretation: isTransformed ? 'YBR_RCT' : 'RGB' });
    const again = await transcodeFrame({ ...encoded, transferSyntaxUid: to }, ExplicitVRLittleEndian);
    expect(again.image).toEqual(colour);
    const plane = noise(72);
    expect([...again.bytes]).toEqual(Array.from({ length: 72 }, (_, i) => plane[(i % 3) * 24 + Math.floor(i / 3)]));
    // And what it was made of is whole: a codec's thread took a copy.
    expect(frame.bytes).toEqual(noise(72));
  });

  it.each([
    ['RGB', 1],
    ['YBR_FULL', 1],
    ['RGB', 0],
  ])('of %s lies in octets as the attributes of its object say: Planar Configuration %i', async (name, planes) => {
    const image = { ...colour, photometricInterpretation: name, planarConfiguration: planes };
    const pixels = noise(72);
    const { bytes } = await transcodeFrame(
      { bytes: pixels, transferSyntaxUid: ExplicitVRLittleEndian, image },
      RLELossless,
    );
    const octets = await transcodeFrame({ bytes, transferSyntaxUid: RLELossless, image }, ExplicitVRLittleEndian);
    expect([...octets.bytes]).toEqual([...pixels]);
    expect(octets.image).toEqual(image);
    const wide = { ...image, bitsAllocated: 16, bitsStored: 16 };
    const words = { bytes: noise(144), transferSyntaxUid: ExplicitVRLittleEndian, image: wide };
    const encoded = { ...words, ...(await transcodeFrame(words, RLELossless)), transferSyntaxUid: RLELossless };
    const again = await transcodeFrame({ ...encoded, image: wide }, ExplicitVRLittleEndian);
    expect([...again.bytes]).toEqual([...noise(144)]);
  });

  it('of a colour transform is RGB by pixel, whatever its object says of planes (PS3.5 8.2.4)', async () => {
    const frame = { bytes: noise(72), transferSyntaxUid: ExplicitVRLittleEndian, image: colour };
    const encoded = await transcodeFrame(frame, JPEG2000Lossless);
    const wrong = { ...encoded.image, planarConfiguration: 1 };
    const octets = await transcodeFrame(
      { ...encoded, image: wrong, transferSyntaxUid: JPEG2000Lossless },
      ExplicitVRLittleEndian,
    );
    expect([...octets.bytes]).toEqual([...noise(72)]);
    expect(octets.image).toEqual(colour);
  });

  it('may come from big-endian words', async () => {
    const frame = { bytes: Uint8Array.of(1, 2, 3, 4, 5, 6), transferSyntaxUid: ExplicitVRBigEndian, image: grey };
    const { bytes } = await transcodeFrame(frame, JPEGLSLossless);
    const { samples } = await decodeStoredFrame({ bytes, transferSyntaxUid: JPEGLSLossless, image: grey });
    expect(samples).toEqual(Uint16Array.of(0x0102, 0x0304, 0x0506));
  });

  it('is given as it is where it is valid in the other one', async () => {
    const frame = { bytes: noise(20), transferSyntaxUid: JPEGLossless, image: grey };
    const same = await transcodeFrame(frame, '1.2.840.10008.1.2.4.57');
    expect(same.bytes).toBe(frame.bytes);
    expect(same.image).toBe(grey);
  });
});

describe('a frame that cannot be had', () => {
  const frame = { bytes: words(1, 2, 3), transferSyntaxUid: ExplicitVRLittleEndian, image: grey };

  it.each([
    ['Implicit VR', frame, ImplicitVRLittleEndian, 'unfit'],
    ['big-endian', frame, ExplicitVRBigEndian, 'unfit'],
    ['big-endian, as it is stored', { ...frame, transferSyntaxUid: ExplicitVRBigEndian }, ExplicitVRBigEndian, 'unfit'],
    ['a lossy syntax', frame, '1.2.840.10008.1.2.4.50', 'unfit'],
    ['a syntax nobody knows', frame, '1.2.3.4', 'unfit'],
    ['single bits compressed', { ...frame, image: { ...grey, bitsAllocated: 1, bitsStored: 1 } }, RLELossless, 'unfit'],
    [
      'a video as octets',
      { ...frame, transferSyntaxUid: '1.2.840.10008.1.2.4.102' },
      ExplicitVRLittleEndian,
      'undecodable',
    ],
    [
      'recompressed JPEG',
      { ...frame, transferSyntaxUid: '1.2.840.10008.1.2.4.111' },
      ExplicitVRLittleEndian,
      'undecodable',
    ],
    ['JPIP', { ...frame, transferSyntaxUid: '1.2.840.10008.1.2.4.94' }, ExplicitVRLittleEndian, 'undecodable'],
  ] as const)('says so: %s', async (_, from, to, problem) => {
    await expect(transcodeFrame(from, to)).rejects.toMatchObject({ code: `dicom.transcode.${problem}` });
  });

  it('is broken where its stream is', async () => {
    const broken = { ...frame, bytes: noise(100), transferSyntaxUid: JPEGLSLossless };
    await expect(transcodeFrame(broken, ExplicitVRLittleEndian)).rejects.toThrow(DicomPixelError);
  });

  it('is not begun for whoever has gone', async () => {
    const gone = AbortSignal.abort(new Error('gone'));
    await expect(transcodeFrame(frame, JPEGLSLossless, gone)).rejects.toThrow('gone');
  });
});

interface ManifestEntry {
  readonly file: string;
  readonly lossy: boolean;
  readonly sha256_of_pixels_as_int32le: string | null;
}
const manifestPath = testDataPath('codecs', 'manifest.json');
const manifest = manifestPath === undefined ? [] : (JSON.parse(readFileSync(manifestPath, 'utf8')) as ManifestEntry[]);
const digestOf = (frames: readonly { samples: ArrayLike<number> }[]): string => {
  const hash = createHash('sha256');
  for (const { samples } of frames) hash.update(new Uint8Array(Int32Array.from(samples).buffer));
  return hash.digest('hex');
};
/** Its digest in the manifest is of RGB. */
const isConverted = (file: string): boolean => file.endsWith('SC_ybr_full_422_uncompressed.dcm');

describe.skipIf(manifest.length === 0)('each frame of the test data', () => {
  it.each(manifest.filter(({ file }) => !file.startsWith('video-')))(
    '$file has the octets of its samples',
    async ({ file, lossy, sha256_of_pixels_as_int32le: expected }) => {
      const parsed = parseFile(readFileSync(testDataPath('codecs', file) ?? ''));
      const decoded = [];
      for (const frame of storedFrames(parsed)) {
        const { bytes, image } = await transcodeFrame(frame, ExplicitVRLittleEndian);
        expect(image.rows).toBe(imagePixel(parsed.dataset).rows);
        decoded.push(await decodeStoredFrame({ bytes, transferSyntaxUid: ExplicitVRLittleEndian, image }));
      }
      expect(digestOf(decoded)).toBe(digestOf(await decodeFrames(parsed)));
      if (expected !== null && !lossy && !isConverted(file)) expect(digestOf(decoded)).toBe(expected);
    },
  );
});
