import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { testDataPath } from '@callosum/testing';
import { describe, expect, it } from 'vitest';
import {
  DicomPixelError,
  comparePixels,
  datasetDigest,
  datasetOf,
  decodeFrames,
  headerPrefixBytes,
  parseFile,
  parseHeader,
  pixelDataLayout,
  readPixelDataLayout,
  writeFile,
  type DecodedFrame,
} from './index.js';

interface ManifestEntry {
  readonly file: string;
  readonly lossy: boolean;
  readonly shape: readonly number[] | null;
  readonly sha256_of_pixels_as_int32le: string | null;
}
const manifestPath = testDataPath('codecs', 'manifest.json');
const manifest = manifestPath === undefined ? [] : (JSON.parse(readFileSync(manifestPath, 'utf8')) as ManifestEntry[]);
const codec = (file: string): Uint8Array => readFileSync(testDataPath('codecs', file) ?? '');
const sha256 = (frames: readonly DecodedFrame[]): string => {
  const hash = createHash('sha256');
  for (const { samples } of frames) hash.update(new Uint8Array(Int32Array.from(samples).buffer));
  return hash.digest('hex');
};
/** Its digest is of RGB, converted from the stored YBR_FULL_422. */
const isConverted = (file: string): boolean => file.endsWith('SC_ybr_full_422_uncompressed.dcm');
const lossless = manifest.filter(
  ({ lossy, sha256_of_pixels_as_int32le: digest, file }) => !lossy && digest !== null && !isConverted(file),
);
/** The same code streams decoded elsewhere give the same samples for these; JPEG's inverse DCT may round differently. */
const lossyButExact = manifest.filter(({ file }) => /jpegls-near|j2k-lossy|jls_lossy/.test(file));

describe.skipIf(manifest.length === 0)('decoding', () => {
  it.each([...lossless, ...lossyButExact])(
    '$file gives the samples of the manifest',
    async ({ file, sha256_of_pixels_as_int32le: expected }) => {
      expect(sha256(await decodeFrames(codec(file)))).toBe(expected);
    },
  );

  it.each(['ct-jpeg-baseline-8bit.dcm', 'ct-jpeg-extended-12bit.dcm', 'mr-jpeg-extended-12bit.dcm'])(
    '%s stays near the uncompressed image',
    async (file) => {
      const source = parseFile(codec(file));
      const original = parseFile(codec(file.startsWith('ct') ? 'ct-explicit-le.dcm' : 'mr-explicit-le.dcm'));
      const values = async (from: typeof source): Promise<number[]> => {
        const [frame] = await decodeFrames(from);
        const [slope, intercept] = [
          from.dataset.number('RescaleSlope') ?? 1,
          from.dataset.number('RescaleIntercept') ?? 0,
        ];
        return Array.from(frame?.samples ?? [], (value) => value * slope + intercept);
      };
      const [ours, theirs] = [await values(source), await values(original)];
      expect(correlation(ours, theirs)).toBeGreaterThan(0.98);
    },
  );

  it('lets other work go on while a frame is decoded, and decodes on after a broken one', async () => {
    const [good, broken] = [codec('ct-j2k-lossless.dcm'), Uint8Array.from(codec('ct-j2k-lossless.dcm'))];
    broken.fill(0xab, 6000, 9000);
    const file = parseFile(good);
    await decodeFrames(file);
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const results = await Promise.allSettled([good, broken, good, good].map((bytes) => decodeFrames(bytes)));
    clearInterval(timer);
    expect(turns).toBeGreaterThan(5);
    for (const index of [0, 2, 3]) expect(results[index]?.status).toBe('fulfilled');
  });

  it('decodes one frame of many, and refuses one that is not there', async () => {
    const file = parseFile(codec('ct-mf-fragments-bot.dcm'));
    const [third] = await decodeFrames(file, { frameNumbers: [3] });
    expect(third?.samples).toEqual((await decodeFrames(file))[2]?.samples);
    await expect(decodeFrames(file, { frameNumbers: [5] })).rejects.toThrow(DicomPixelError);
  });

  it.each(['video-h264-hp41.dcm', 'video-mpeg2-mp-ml.dcm'])('says that %s is not decoded', async (file) => {
    await expect(decodeFrames(codec(file))).rejects.toMatchObject({ code: 'dicom.pixel-data-unsupported' });
  });

  it.each([
    'bits-allocated-7',
    'bits-stored-gt-allocated',
    'frames-minus-1',
    'jpeg-truncated',
    'no-rows',
    'pixeldata-too-short',
    'rle-offset-past-end',
    'rows-65535',
    'rows-zero',
  ])('refuses %s', async (name) => {
    await expect(
      decodeFrames(readFileSync(testDataPath('malformed', `synthetic/pixels/${name}.dcm`) ?? '')),
    ).rejects.toThrow(DicomPixelError);
  });
});

function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  a.forEach((value, i) => {
    const [da, db] = [value - meanA, (b[i] ?? 0) - meanB];
    ab += da * db;
    aa += da * da;
    bb += db * db;
  });
  return ab / Math.sqrt(aa * bb);
}

describe('frame layout', () => {
  it.skipIf(manifest.length === 0)('is the same from the whole file and by ranges, for every codec file', async () => {
    for (const { file } of manifest) {
      const bytes = codec(file);
      const whole = parseFile(bytes);
      if (whole.transferSyntax.deflated) continue;
      let reads = 0;
      const read = (offset: number, byteCount: number): Promise<Uint8Array> => {
        reads++;
        return Promise.resolve(bytes.subarray(offset, offset + byteCount));
      };
      const header = parseHeader(bytes.subarray(0, headerPrefixBytes), { complete: bytes.length <= headerPrefixBytes });
      if (header === 'need-more') throw new Error(`${file}: header is longer than the first read`);
      expect(await readPixelDataLayout(header, read), file).toEqual(pixelDataLayout(whole));
      if (!whole.transferSyntax.encapsulated) expect(reads).toBe(0);
    }
  });

  it.skipIf(manifest.length === 0)('groups fragments into frames by the Basic Offset Table', () => {
    const { frames } = pixelDataLayout(codec('ct-mf-fragments-bot.dcm'));
    expect(frames.map((fragments) => fragments.length)).toEqual([3, 3, 3, 3]);
    expect(pixelDataLayout(codec('ct-mf-no-bot.dcm')).frames.map((fragments) => fragments.length)).toEqual([
      1, 1, 1, 1,
    ]);
  });

  const image = {
    SOPClassUID: '1.2.3',
    SOPInstanceUID: '1.2.3.4',
    Rows: 2,
    Columns: 2,
    SamplesPerPixel: 1,
    BitsAllocated: 8,
    BitsStored: 8,
    PhotometricInterpretation: 'MONOCHROME2',
    NumberOfFrames: 2,
  };
  const jpeg = (...rest: number[]): Uint8Array => Uint8Array.of(0xff, 0xd8, ...rest);
  const encapsulated = (fragments: Uint8Array[], extra = {}): Uint8Array =>
    writeFile(
      { ...datasetOf({ ...image, ...extra }), '7FE00010': { vr: 'OB', fragments } },
      { implementationClassUid: '1.2.3', transferSyntaxUid: '1.2.840.10008.1.2.4.70' },
    );

  it('finds frames without a table by where code streams start', () => {
    const { frames } = pixelDataLayout(encapsulated([new Uint8Array(0), jpeg(1, 2), Uint8Array.of(3, 4), jpeg(5, 6)]));
    expect(frames.map((fragments) => fragments.length)).toEqual([2, 1]);
  });

  it('needs one read with the Extended Offset Table', async () => {
    const table = (...values: bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(values).buffer);
    const bytes = encapsulated([new Uint8Array(0), jpeg(1, 2), jpeg(5, 6)], {
      ExtendedOffsetTable: table(0n, 12n),
      ExtendedOffsetTableLengths: table(4n, 4n),
    });
    const header = parseHeader(bytes, { complete: true });
    if (header === 'need-more') throw new Error('complete');
    let reads = 0;
    const layout = await readPixelDataLayout(header, (offset, byteCount) => {
      reads++;
      return Promise.resolve(bytes.subarray(offset, offset + byteCount));
    });
    expect(layout).toEqual(pixelDataLayout(bytes));
    expect(reads).toBe(1);
  });

  it('refuses an offset table or a number of frames larger than any, before reading or making room for it', async () => {
    const forged = Uint8Array.from(encapsulated([new Uint8Array(0), jpeg(1, 2)]));
    const parsed = parseHeader(forged, { complete: true });
    if (parsed === 'need-more' || !parsed.pixelData) throw new Error('complete');
    new DataView(forged.buffer).setUint32(parsed.pixelData.offset + 4, 0xfffffff0, true);
    const asked: number[] = [];
    const read = (offset: number, byteCount: number): Promise<Uint8Array> => {
      asked.push(byteCount);
      return Promise.resolve(forged.subarray(offset, offset + byteCount));
    };
    await expect(readPixelDataLayout(parsed, read)).rejects.toThrow(DicomPixelError);
    expect(Math.max(...asked)).toBeLessThan(1024 * 1024);
    const many = writeFile(datasetOf({ ...image, NumberOfFrames: 2_000_000_000, PixelData: new Uint8Array(4) }), {
      implementationClassUid: '1.2.3',
    });
    await expect(decodeFrames(many)).rejects.toThrow(DicomPixelError);
  });

  it('refuses fragments that fit no number of frames', () => {
    expect(() =>
      pixelDataLayout(encapsulated([new Uint8Array(0), jpeg(1), Uint8Array.of(2, 2), Uint8Array.of(3, 3)])),
    ).toThrow(DicomPixelError);
  });
});

describe('digests', () => {
  it.skipIf(manifest.length === 0)(
    'of pixels are the same in every lossless syntax, and others in lossy ones',
    async () => {
      const digests = await Promise.all(
        manifest
          .filter(({ file }) => /^ct-[^m]/.test(file))
          .map(async ({ file, lossy }) => ({ lossy, ...(await datasetDigest(codec(file))) })),
      );
      const exact = new Set(digests.filter(({ lossy }) => !lossy).map(({ pixelDigest }) => pixelDigest));
      expect(exact.size).toBe(1);
      for (const { lossy, pixelDigest } of digests) expect(exact.has(pixelDigest)).toBe(!lossy);
    },
  );

  const base = {
    SOPClassUID: '1.2.3',
    SOPInstanceUID: '1.2.3.4',
    PatientID: 'A',
    Rows: 1,
    Columns: 2,
    SamplesPerPixel: 1,
    BitsAllocated: 16,
    BitsStored: 16,
    PhotometricInterpretation: 'MONOCHROME2',
    PixelData: Uint8Array.of(1, 2, 3, 4),
  };
  const write = (attributes: object, privateText = 'X'): Uint8Array =>
    writeFile(
      {
        ...datasetOf({ ...base, ...attributes }),
        '00090010': { vr: 'LO', Value: ['TEST'] },
        '00091001': { vr: 'LO', Value: [privateText] },
      },
      { implementationClassUid: '1.2.3' },
    );

  it('tell a changed attribute, a changed private attribute and changed pixels apart', async () => {
    const [same, again, attribute, privateOne, pixels] = await Promise.all(
      [
        write({}),
        write({}),
        write({ PatientID: 'B' }),
        write({}, 'Y'),
        write({ PixelData: Uint8Array.of(1, 2, 3, 5) }),
      ].map(datasetDigest),
    );
    if (!same || !again || !attribute || !privateOne || !pixels) throw new Error('five digests');
    expect(again).toEqual(same);
    expect(attribute.attributesDigest).not.toBe(same.attributesDigest);
    expect(privateOne.attributesDigest).not.toBe(same.attributesDigest);
    expect(comparePixels(attribute, same)).toBe('same');
    expect(pixels.attributesDigest).toBe(same.attributesDigest);
    expect(comparePixels(pixels, same)).toBe('different');
  });
});
