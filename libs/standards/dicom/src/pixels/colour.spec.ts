import { beforeAll, describe, expect, it } from 'vitest';
import {
  decodeFrames,
  decodeStoredFrame,
  encodePicture,
  ExplicitVRLittleEndian,
  HTJ2KLossless,
  imagePixel,
  JPEG2000Lossless,
  parseFile,
  renderFrame,
  RLELossless,
  transcodeFrame,
  type StoredFrame,
} from '../index.js';
import { fileOf, imageElements, transcoded } from '../../test-support/objects.js';

const baseline = '1.2.840.10008.1.2.4.50';
const side = 16;
/** One colour all over, which no encoder loses, and what it is as YCbCr (ITU-T T.871 7). */
const rgb = [200, 60, 30];
const ybr = [98, 89, 200];

/** A JPEG that says of itself that it is YCbCr, by its JFIF mark. */
const jfif = async (): Promise<Buffer> =>
  Buffer.from(
    await encodePicture(
      {
        kind: 'rgb8',
        columns: side,
        rows: side,
        samples: Uint8Array.from({ length: side * side * 3 }, (_, i) => rgb[i % 3] ?? 0),
      },
      { format: 'jpeg', quality: 100 },
    ),
  );

/** The same samples, said to be RGB by an Adobe mark in its place (T.872 6.5.3). */
const adobe = (jpeg: Buffer): Buffer =>
  Buffer.concat([
    jpeg.subarray(0, 2),
    Buffer.from('ffee000e41646f6265006400000000', 'hex'),
    Buffer.from([0]),
    jpeg.subarray(4 + jpeg.readUInt16BE(4)),
  ]);

const objectOf = (stream: Uint8Array, photometric: string): Uint8Array => {
  const image = imageElements({ rows: side, columns: side, samples: 3, bits: 8, planar: 0, photometric });
  const fragment = stream.length % 2 === 0 ? stream : Buffer.concat([stream, Buffer.alloc(1)]);
  return fileOf({ ...image, '7FE00010': { vr: 'OB', fragments: [new Uint8Array(0), fragment] } }, baseline);
};

/** The first pixel: within two levels, which codecs may round. */
const expectPixel = (samples: ArrayLike<number> | undefined, expected: readonly number[]): void => {
  for (const [at, value] of expected.entries())
    expect(Math.abs((samples?.[at] ?? -99) - value), `sample ${String(at)}`).toBeLessThanOrEqual(2);
};

describe('a JPEG in another colour space than its object says', () => {
  let isYbr: Buffer;
  let isRgb: Buffer;
  beforeAll(async () => {
    isYbr = await jfif();
    isRgb = adobe(isYbr);
  });

  it.each([ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless])(
    'leaves under the name of its own as an object in %s',
    async (to) => {
      const file = parseFile(await transcoded(objectOf(isYbr, 'RGB'), to));
      expect(file.dataset.string('PhotometricInterpretation')).toBe('YBR_FULL');
      const [frame] = await decodeFrames(file);
      expectPixel(frame?.samples, ybr);
      if (frame) expectPixel(renderFrame(file, frame).samples, rgb);
    },
  );

  it('does so as RGB too', async () => {
    const file = parseFile(await transcoded(objectOf(isRgb, 'YBR_FULL_422'), ExplicitVRLittleEndian));
    expect(file.dataset.string('PhotometricInterpretation')).toBe('RGB');
    expectPixel((await decodeFrames(file))[0]?.samples, ybr);
  });

  it('is refused where a syntax has no room for it', async () => {
    await expect(transcoded(objectOf(isYbr, 'RGB'), HTJ2KLossless)).rejects.toMatchObject({
      code: 'dicom.transcode.unfit',
    });
  });

  const frameOf = (bytes: Uint8Array, photometric: string): StoredFrame => ({
    bytes,
    transferSyntaxUid: baseline,
    image: imagePixel(parseFile(objectOf(bytes, photometric)).dataset),
  });

  // A frame has no attributes of its own: who asks for it goes by those of the object.
  it.each([
    ['RGB', () => isYbr, rgb],
    ['YBR_FULL', () => isYbr, ybr],
    ['RGB', () => isRgb, ybr],
  ] as const)('leaves converted as a frame of an object that says %s', async (said, stream, expected) => {
    const { bytes, image } = await transcodeFrame(frameOf(stream(), said), ExplicitVRLittleEndian);
    expect(image.photometricInterpretation).toBe(said);
    expectPixel(bytes, expected);
    const compressed = await transcodeFrame(frameOf(stream(), said), JPEG2000Lossless);
    const again = { ...compressed, transferSyntaxUid: JPEG2000Lossless };
    expectPixel((await decodeStoredFrame(again)).samples, expected);
  });

  it('leaves converted the other way as well', async () => {
    const { bytes, image } = await transcodeFrame(frameOf(isRgb, 'YBR_FULL_422'), ExplicitVRLittleEndian);
    expect(image.photometricInterpretation).toBe('YBR_FULL');
    const [r = 0, g = 0, b = 0] = ybr;
    const luma = 0.299 * r + 0.587 * g + 0.114 * b;
    expectPixel(bytes, [luma, (b - luma) / 1.772 + 128, (r - luma) / 1.402 + 128]);
  });

  it('stays as it is where nothing is decoded', async () => {
    const stored = frameOf(isYbr, 'RGB');
    expect((await transcodeFrame(stored, baseline)).bytes).toEqual(stored.bytes);
  });
});
