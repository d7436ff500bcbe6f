import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { testDataPath } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  decodeFrames,
  decodeStoredFrame,
  encodePng,
  parseFile,
  renderFrame,
  renderingAttributes,
  type Attributes,
  type Picture,
} from '../index.js';
import { noise } from '../../test-support/objects.js';
import { imageFile, words, type GivenImage } from '../../test-support/pictures.js';
import { storedFrames } from '../../test-support/stored-frames.js';
import { askedOf, differences, judge, python, type Asked } from '../../test-support/pydicom-render.js';

interface Case {
  readonly name: string;
  readonly picture: Picture;
  readonly asked: Asked;
}

/** The first, the middle and the last frame. */
async function casesOf(name: string, path: string): Promise<Case[]> {
  const file = parseFile(readFileSync(path));
  const count = file.dataset.number('NumberOfFrames') ?? 1;
  const numbers = [...new Set([1, Math.ceil(count / 2), count])];
  const frames = await decodeFrames(file, { frameNumbers: numbers });
  const read = (offset: number, byteCount: number): Promise<Uint8Array> =>
    Promise.resolve(file.bytes.subarray(offset, offset + byteCount));
  return Promise.all(
    frames.map(async (frame, i) => {
      const frameNumber = numbers[i] ?? 1;
      // As it is served: by what is kept of a header.
      const header = await renderingAttributes(file, read, file.bytes.length, [frameNumber]);
      return {
        name: `${name} ${String(frameNumber)}`,
        picture: renderFrame(header, frame, { frameNumber }),
        asked: askedOf(path, frameNumber, frame),
      };
    }),
  );
}

/** Names of what differs by more than one level, and by how much. */
async function differing(cases: readonly Case[]): Promise<string[]> {
  const judged = await judge(cases.map(({ asked }) => asked));
  return cases.flatMap(({ name, picture }, i) => {
    const verdict = judged[i] ?? { error: 'no answer' };
    const { greatest } = differences(picture, verdict);
    return greatest <= 1 ? [] : [`${name}: ${verdict.error ?? String(greatest)}`];
  });
}

const codecs = testDataPath('codecs');
const codecFiles = (codecs === undefined ? [] : readdirSync(codecs, { recursive: true, encoding: 'utf8' })).filter(
  (file) => extname(file) === '.dcm' && !file.startsWith('video-'),
);
/** One object of each kind there is: real ones of CT, MR, US, DX, SM, and what is made of them. */
const others = [
  'studies/cxr/dx-mini/dx_image.dcm',
  'studies/cxr/drr-pair/pa.dcm',
  'studies/cxr/nih/nih-frontal.dcm',
  'studies/mg-placeholder/example-mg.dcm',
  'studies/us/us-multiframe-2-rle-palette.dcm',
  'studies/us/us-multiframe-30-jpegbaseline.dcm',
  'studies/us/us-single-rgb.dcm',
  'studies/wsi-small/sm_image.dcm',
  'results/pr-weasis/imageForPrLUTs.dcm',
  'results/pr-weasis/overlay.dcm',
  'results/pydicom/rtdose.dcm',
  'results/rt-utils/ct_1.dcm',
  'results/dcmqi/segmentations/liver.dcm',
  'results/reference-highdicom/seg-lungs-binary.dcm',
  'results/highdicom-tests/seg_image_ct_true_fractional.dcm',
];

describe.skipIf(codecs === undefined || python.missing !== undefined)('pydicom renders the test data', () => {
  it.each([
    ['codecs', codecFiles.map((file) => `codecs/${file}`)],
    ['studies and results', others],
  ])('%s to the same levels, within one', async (_, files) => {
    const cases: Case[] = [];
    for (const file of files) cases.push(...(await casesOf(file, testDataPath(...file.split('/')) ?? '')));
    expect(cases.length).toBeGreaterThanOrEqual(files.length);
    expect(await differing(cases)).toEqual([]);
  });
});

/** Colour by JPEG, whose streams say what they are where some datasets say another: RGB that is YCbCr, and that is none. */
const photographs = [
  'studies/mg-placeholder/example-mg.dcm',
  'studies/us/us-multiframe-30-jpegbaseline.dcm',
  'codecs/pydicom/SC_rgb_jpeg_dcmtk.dcm',
  'codecs/pydicom/SC_rgb_dcmtk_+eb+cr.dcm',
  'malformed/pydicom/SC_rgb_jpeg_app14_dcmd.dcm',
];

describe.skipIf(codecs === undefined || python.missing !== undefined)('Pillow shows', () => {
  it.each(photographs)('%s in the same colours', async (name) => {
    const file = parseFile(readFileSync(testDataPath(...name.split('/')) ?? ''));
    const [stored] = storedFrames(file);
    if (!stored) throw new Error('one frame');
    const picture = renderFrame(file, await decodeStoredFrame(stored));
    const [judged] = await judge([{ image: Buffer.from(stored.bytes).toString('base64') }]);
    // Decoders may smooth chroma differently; false colours differ by tens of levels.
    expect(differences(picture, judged ?? {}).mean).toBeLessThan(2);
  });
});

const ramp = words(...Array.from({ length: 400 }, (_, i) => i * 10));
const grey: GivenImage = { rows: 20, columns: 20, stored: 12, pixels: ramp };
const rescaled = { RescaleSlope: 1, RescaleIntercept: -1024 };
const window = (center: number, width: number, name?: string): Attributes => ({
  WindowCenter: center,
  WindowWidth: width,
  VOILUTFunction: name,
});
const lut = (descriptor: readonly number[], data: Uint8Array): Attributes => ({
  LUTDescriptor: descriptor,
  LUTData: data,
});
const palette = (kind: string, descriptor: readonly number[], data: readonly Uint8Array[]): Attributes =>
  Object.fromEntries(
    ['Red', 'Green', 'Blue'].flatMap((colour, i) => [
      [`${colour}PaletteColorLookupTableDescriptor`, descriptor],
      [`${kind}${colour}PaletteColorLookupTableData`, data[i]],
    ]),
  ) as Attributes;
const indexed: GivenImage = {
  rows: 16,
  columns: 16,
  bits: 8,
  photometric: 'PALETTE COLOR',
  pixels: Uint8Array.from({ length: 256 }, (_, i) => i),
};
const signed: GivenImage = {
  ...grey,
  signed: true,
  stored: 16,
  pixels: words(...Array.from({ length: 400 }, (_, i) => i * 10 - 2000)),
};

/** What no object of the test data has. */
const made: Readonly<Record<string, GivenImage>> = {
  linear: { ...grey, attributes: { ...rescaled, ...window(40, 400) } },
  'linear-one': { ...grey, attributes: { ...rescaled, ...window(40, 1) } },
  'linear-exact': { ...grey, attributes: { ...rescaled, ...window(40.5, 399.5, 'LINEAR_EXACT') } },
  sigmoid: { ...grey, attributes: { ...rescaled, ...window(40, 400, 'SIGMOID') } },
  slope: { ...grey, attributes: { RescaleSlope: 0.125, RescaleIntercept: -3.5, ...window(100, 200) } },
  'monochrome1-window': { ...grey, photometric: 'MONOCHROME1', attributes: window(2000, 1000) },
  'inverse-shape': {
    ...grey,
    photometric: 'MONOCHROME1',
    attributes: { ...window(2000, 1000), PresentationLUTShape: 'INVERSE' },
  },
  'modality-lut': {
    ...grey,
    attributes: {
      ModalityLUTSequence: [lut([256, 100, 16], words(...Array.from({ length: 256 }, (_, i) => i * i)))],
      ...window(30_000, 40_000),
    },
  },
  'voi-lut': {
    ...signed,
    attributes: {
      VOILUTSequence: [lut([512, -200, 12], words(...Array.from({ length: 512 }, (_, i) => 4095 - i * 8)))],
    },
    vrs: { LUTDescriptor: 'SS' },
  },
  'padded-automatic': {
    ...signed,
    attributes: { PixelPaddingValue: -2000, PixelPaddingRangeLimit: -1000 },
    vrs: { PixelPaddingValue: 'SS', PixelPaddingRangeLimit: 'SS' },
  },
  'palette-bytes': { ...indexed, attributes: palette('', [200, 20, 8], [noise(200, 1), noise(200, 2), noise(200, 3)]) },
  'palette-words': { ...indexed, attributes: palette('', [256, 0, 16], [noise(512, 1), noise(512, 2), noise(512, 3)]) },
  'palette-segmented': {
    ...indexed,
    attributes: palette(
      'Segmented',
      [256, 0, 16],
      [
        words(0, 1, 0, 1, 255, 0xffff),
        words(0, 2, 0xffff, 0x8000, 1, 254, 0),
        words(0, 1, 300, 1, 100, 0x4000, 0, 1, 0xf000, 1, 154, 0x0100),
      ],
    ),
  },
  'ybr-full': { rows: 16, columns: 16, bits: 8, samples: 3, photometric: 'YBR_FULL', pixels: noise(768) },
  'ybr-full-422': { rows: 16, columns: 16, bits: 8, samples: 3, photometric: 'YBR_FULL_422', pixels: noise(512) },
  'rgb-planes': { rows: 16, columns: 16, bits: 8, samples: 3, planar: 1, pixels: noise(768) },
  'rgb-words': { rows: 16, columns: 16, bits: 16, samples: 3, pixels: noise(1536) },
};

describe.skipIf(python.missing !== undefined)('pydicom renders', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'callosum-render-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('each lookup table, window, polarity, palette and colour space to the same levels, within one', async () => {
    const cases: Case[] = [];
    for (const [name, given] of Object.entries(made)) {
      const path = join(folder, `${name}.dcm`);
      await writeFile(path, imageFile(given));
      cases.push(...(await casesOf(name, path)));
    }
    expect(await differing(cases)).toEqual([]);
    // A picture of one level would agree with much.
    for (const { name, picture } of cases) expect(new Set(picture.samples).size, name).toBeGreaterThan(1);
  });

  it('what encodePng writes to the very same pixels', async () => {
    const pictures: Picture[] = [
      { kind: 'gray8', columns: 33, rows: 17, samples: noise(33 * 17) },
      { kind: 'rgb8', columns: 33, rows: 17, samples: noise(33 * 17 * 3) },
    ];
    const encoded = await Promise.all(
      pictures.map(async (picture) => ({ image: (await encodePng(picture)).toString('base64') })),
    );
    const judged = await judge(encoded);
    pictures.forEach((picture, i) => expect(differences(picture, judged[i] ?? {}).greatest).toBe(0));
  });
});
