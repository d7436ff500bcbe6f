import type { DicomDataset } from '../dataset.js';
import type { ImagePixel } from '../pixels/layout.js';
import type { DecodedFrame } from '../pixels/native.js';
import { DicomRenderError } from './errors.js';
import { frameMacro } from './functional-groups.js';
import { lookUp, lutBytes, lutEntries, readDescriptor, type LookupTable } from './lookup-table.js';
import type { Gray8, Rgb8 } from './picture.js';
import { expandSegments } from './segmented-lut.js';
import { inSteps, type Steps } from './steps.js';
import { isFloat, storedValues } from './stored-values.js';

const colours = ['Red', 'Green', 'Blue'] as const;

/**
 * PALETTE COLOR: each Stored Pixel Value is a place in three tables, of 8 or 16 bits, whole or segmented (PS3.3
 * C.7.6.3.1.5, C.7.6.3.1.6, C.7.9.2). Alpha, which no picture here has, is left out.
 * Thrown when a table is missing or none: DicomRenderError.
 */
export function* renderPalette(dataset: DicomDataset, image: ImagePixel, frame: DecodedFrame): Steps<Rgb8> {
  if (isFloat(frame.samples)) throw new DicomRenderError('broken', 'A palette needs pixels that are integers');
  const stored = storedValues(image, frame.samples, dataset.number('HighBit'));
  const [red, green, blue] = readPalette(dataset, stored.min < 0);
  const out = new Uint8Array(frame.samples.length * 3);
  yield* inSteps(frame.samples.length, (from, to) => {
    for (let i = from, at = 3 * from; i < to; i++, at += 3) {
      const value = stored.of(frame.samples[i] ?? 0);
      out[at] = lookUp(red, value);
      out[at + 1] = lookUp(green, value);
      out[at + 2] = lookUp(blue, value);
    }
  });
  return { kind: 'rgb8', columns: frame.columns, rows: frame.rows, samples: out };
}

/** Where frame types stand that say how a frame of several kinds is presented. */
export const frameTypes = ['MRImageFrameTypeSequence', 'CTImageFrameTypeSequence', 'PETFrameTypeSequence'];

/**
 * The Stored Pixel Value from which on a grey frame is coloured by a Supplemental Palette Color LUT (PS3.3 C.8.16.2.1.1.1).
 * @param frameNumber from 1
 * @returns undefined where Pixel Presentation says that it is grey, or says nothing, or there is no palette
 * Thrown when the palette's descriptor is none: DicomRenderError.
 */
export function firstColour(dataset: DicomDataset, image: ImagePixel, frameNumber: number): number | undefined {
  const presentation = dataset.string('PixelPresentation');
  const isColour =
    presentation === 'MIXED'
      ? frameTypes.some((type) => frameMacro(dataset, frameNumber, type).string('PixelPresentation') === 'COLOR')
      : presentation === 'COLOR';
  if (!isColour || !dataset.has('RedPaletteColorLookupTableDescriptor')) return undefined;
  const signed = image.pixelRepresentation === 1;
  return readDescriptor(dataset, 'RedPaletteColorLookupTableDescriptor', signed).firstInput;
}

/** Colours in a grey picture, of the values from the first colour on. Errors as `renderPalette`. */
export function* addColours(
  grey: Gray8,
  first: number,
  dataset: DicomDataset,
  image: ImagePixel,
  frame: DecodedFrame,
): Steps<Rgb8> {
  const stored = storedValues(image, frame.samples, dataset.number('HighBit'));
  const picture = yield* renderPalette(dataset, image, frame);
  yield* inSteps(grey.samples.length, (from, to) => {
    for (let i = from; i < to; i++) {
      if (stored.of(frame.samples[i] ?? 0) < first) picture.samples.fill(grey.samples[i] ?? 0, 3 * i, 3 * i + 3);
    }
  });
  return picture;
}

type Table = Pick<LookupTable, 'firstInput' | 'entries'>;

function readPalette(dataset: DicomDataset, signed: boolean): [Table, Table, Table] {
  const tables = colours.map((colour): Table => {
    const descriptor = readDescriptor(dataset, `${colour}PaletteColorLookupTableDescriptor`, signed);
    const whole = `${colour}PaletteColorLookupTableData`;
    const entries = dataset.has(whole)
      ? lutEntries(lutBytes(dataset, whole), descriptor)
      : expandSegments(lutBytes(dataset, `Segmented${whole}`), descriptor);
    return { firstInput: descriptor.firstInput, entries };
  });
  // Words span all 16 bits (C.7.6.3.1.6), so that colours are in their upper byte. Some writers put bytes into words as
  // they are: by the rule such a palette would be black all over.
  const isWide = tables.some(({ entries }) => entries.some((entry) => entry > 0xff));
  const [red, green, blue] = tables.map(({ firstInput, entries }) => ({
    firstInput,
    entries: Uint8Array.from(entries, (entry) => (isWide ? entry >> 8 : entry)),
  }));
  if (!red || !green || !blue) throw new RangeError('a palette has three tables');
  return [red, green, blue];
}
