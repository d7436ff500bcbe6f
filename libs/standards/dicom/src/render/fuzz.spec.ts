import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { CallosumError } from '@callosum/kernel';
import { testDataPath } from '@callosum/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFrames, parseFile, renderFrame, type Attributes, type Picture, type RenderOptions } from '../index.js';
import { imageFile, type GivenImage } from '../../test-support/pictures.js';

/** The picture; undefined where it is refused with an error that says so. Anything else is thrown. */
async function pictureOrRefusal(bytes: Uint8Array, options?: RenderOptions): Promise<Picture | undefined> {
  try {
    const file = parseFile(bytes);
    const [frame] = await decodeFrames(file, { frameNumbers: [1] });
    return frame && renderFrame(file, frame, options);
  } catch (error) {
    if (error instanceof CallosumError) return undefined;
    throw error;
  }
}

const isWhole = ({ kind, columns, rows, samples }: Picture): boolean =>
  samples.length === columns * rows * (kind === 'gray8' ? 1 : 3);

const malformed = testDataPath('malformed');
const files = (malformed === undefined ? [] : readdirSync(malformed, { recursive: true, encoding: 'utf8' })).filter(
  (file) => extname(file) === '.dcm',
);

describe.skipIf(malformed === undefined)('malformed objects', () => {
  it('are rendered whole or refused, each of them', async () => {
    let rendered = 0;
    for (const file of files) {
      const picture = await pictureOrRefusal(readFileSync(join(malformed ?? '', file)));
      if (!picture) continue;
      rendered++;
      expect(isWhole(picture), file).toBe(true);
    }
    // Most of them have nothing wrong with their pixels.
    expect(rendered).toBeGreaterThan(files.length / 4);
  });
});

const word = fc.oneof(fc.constantFrom(0, 1, 8, 16, 255, 256, 0x7fff, 0x8000, 0xffff), fc.nat(0xffff));
const decimal = fc.oneof(
  fc.constantFrom('', '0', '1', '-1', '1e9', '1E-9', 'NaN', 'garbage'),
  fc.constant(['40', '80']),
  fc.integer().map(String),
);
const table = fc.uint8Array({ maxLength: 600 });
const descriptor = fc
  .tuple(fc.oneof(fc.nat(300), word), word, fc.oneof(fc.constantFrom(8, 12, 16), word))
  .map((values) => [...values]);
const lut = fc.record({ LUTDescriptor: descriptor, LUTData: table }, { requiredKeys: [] }).map((item) => [item]);
const all = fc.record({
  HighBit: word,
  BitsStored: fc.nat(16),
  RescaleSlope: decimal,
  RescaleIntercept: decimal,
  WindowCenter: decimal,
  WindowWidth: decimal,
  VOILUTFunction: fc.constantFrom('LINEAR', 'LINEAR_EXACT', 'SIGMOID', 'OTHER', ''),
  ModalityLUTSequence: lut,
  VOILUTSequence: lut,
  PixelPaddingValue: word,
  PixelPaddingRangeLimit: word,
  PresentationLUTShape: fc.constantFrom('IDENTITY', 'INVERSE', 'OTHER'),
  PixelPresentation: fc.constantFrom('COLOR', 'MIXED', 'MONOCHROME'),
});
/** A few of them: of all at once one is always too wrong for the others to matter. */
const attributes: fc.Arbitrary<Attributes> = all.chain((values) =>
  fc
    .subarray(Object.entries(values), { maxLength: 5 })
    .map((some) => Object.fromEntries<(typeof some)[number][1]>(some)),
);
const palette: fc.Arbitrary<Attributes> = fc
  .tuple(descriptor, fc.constantFrom('', 'Segmented'), table, table, table)
  .map(([described, kind, ...tables]) =>
    Object.fromEntries(
      ['Red', 'Green', 'Blue'].flatMap((colour, i): [string, Uint8Array | number[] | undefined][] => [
        [`${colour}PaletteColorLookupTableDescriptor`, described],
        [`${kind}${colour}PaletteColorLookupTableData`, tables[i]],
      ]),
    ),
  );
const colours = fc.oneof(
  fc.record({ samples: fc.constant(1), photometric: fc.constantFrom('MONOCHROME1', 'MONOCHROME2', 'PALETTE COLOR') }),
  fc.record({ samples: fc.constant(3), photometric: fc.constantFrom('RGB', 'YBR_FULL', 'YBR_FULL_422', 'YBR_RCT') }),
  fc.record({
    samples: fc.constantFrom(1, 3, 4),
    photometric: fc.constantFrom('RGB', 'MONOCHROME2', 'YBR_FULL_422', ''),
  }),
);
const image: fc.Arbitrary<GivenImage> = fc
  .record({
    colour: colours,
    bits: fc.constantFrom(1, 8, 16, 32),
    signed: fc.boolean(),
    planar: fc.constantFrom(0, 1),
    pixels: fc.uint8Array({ minLength: 384, maxLength: 384 }),
    attributes,
    palette: fc.oneof(palette, fc.constant<Attributes>({})),
  })
  .map(({ colour, palette: tables, attributes: some, ...rest }) => ({
    rows: 4,
    columns: 6,
    ...rest,
    ...colour,
    attributes: { ...tables, ...some },
  }));
const extent = fc.option(fc.double({ min: -9, max: 9, noNaN: true }), { nil: undefined });
const side = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: -1, max: 40 }));
const options: fc.Arbitrary<RenderOptions> = fc.record(
  {
    window: fc.record({
      center: fc.double({ noNaN: true, noDefaultInfinity: true }),
      width: fc.oneof(fc.double({ min: 1, max: 1e6, noNaN: true }), fc.double()),
      function: fc.constantFrom('LINEAR', 'LINEAR_EXACT', 'SIGMOID'),
    }),
    viewport: fc.record({
      width: side,
      height: side,
      region: fc.record({ x: extent, y: extent, width: extent, height: extent }),
    }),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<RenderOptions>;
const runs = Number(process.env['CALLOSUM_FUZZ_RUNS'] ?? 400);

describe('whatever an object says of its pixels', () => {
  it('it is rendered whole and inside of the viewport, or refused, and soon', async () => {
    let rendered = 0;
    await fc.assert(
      fc.asyncProperty(image, options, async (given, asked) => {
        const started = Date.now();
        const picture = await pictureOrRefusal(imageFile(given), asked);
        expect(Date.now() - started).toBeLessThan(5000);
        if (!picture) return;
        rendered++;
        expect(isWhole(picture)).toBe(true);
        const { width, height } = asked.viewport ?? { width: 6, height: 4 };
        expect(picture.columns).toBeLessThanOrEqual(width);
        expect(picture.rows).toBeLessThanOrEqual(height);
      }),
      { numRuns: runs, seed: 20_261_126 },
    );
    expect(rendered).toBeGreaterThan(runs / 5);
  });
});
