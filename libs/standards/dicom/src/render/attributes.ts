import { DicomDataset, type DicomElement } from '../dataset.js';
import { toLittleEndian } from '../parse/byte-order.js';
import type { ParsedHeader } from '../parse/parse.js';
import type { RangeReader } from '../pixels/layout.js';
import { tagOf, type Tag } from '../tags.js';
import { DicomRenderError } from './errors.js';
import { frameTypes } from './palette.js';

const paletteOf = (colour: string): string[] =>
  ['Descriptor', 'Data'].map((part) => `${colour}PaletteColorLookupTable${part}`);
const colours = ['Red', 'Green', 'Blue'];
const tableData = [
  'LUTData',
  ...colours.flatMap((colour) => [
    `${colour}PaletteColorLookupTableData`,
    `Segmented${colour}PaletteColorLookupTableData`,
  ]),
];
const perFrame = tagOf('PerFrameFunctionalGroupsSequence');
const macros: ReadonlySet<Tag> = new Set(
  ['PixelValueTransformationSequence', 'FrameVOILUTSequence', ...frameTypes].map(tagOf),
);

/** Attributes that `renderFrame` looks at: of the dataset, and of the first item of each sequence among them. */
const renderingTags: ReadonlySet<Tag> = new Set(
  [
    ...['SamplesPerPixel', 'PhotometricInterpretation', 'PlanarConfiguration', 'NumberOfFrames', 'Rows', 'Columns'],
    ...['BitsAllocated', 'BitsStored', 'HighBit', 'PixelRepresentation', 'PixelPaddingValue', 'PixelPaddingRangeLimit'],
    ...['FloatPixelPaddingValue', 'FloatPixelPaddingRangeLimit'],
    ...['DoubleFloatPixelPaddingValue', 'DoubleFloatPixelPaddingRangeLimit'],
    ...['WindowCenter', 'WindowWidth', 'VOILUTFunction', 'VOILUTSequence', 'ModalityLUTSequence'],
    ...['RescaleIntercept', 'RescaleSlope', 'PresentationLUTShape', 'PresentationIntentType', 'PixelPresentation'],
    ...colours.flatMap(paletteOf),
    'LUTDescriptor',
    ...tableData,
    'SharedFunctionalGroupsSequence',
    'PerFrameFunctionalGroupsSequence',
  ].map(tagOf),
);

const tables: ReadonlySet<Tag> = new Set(tableData.map(tagOf));
const itemTags: ReadonlySet<Tag> = new Set([...renderingTags, ...macros]);
const none = new Uint8Array(0);
/** Eight times as long as the longest table that has no segments: 65,536 words (PS3.3 C.7.6.3.1.5). */
const tableBytesMax = 1024 * 1024;
/** Tables of a palette, or some for each of a hundred frames: nobody's header has more to say of how it looks. */
const attributesBytesMax = 32 * 1024 * 1024;

/**
 * What `renderFrame` needs of a header, and nothing else: copies, of 32 MiB at most whatever is in the header. Lookup tables
 * that were left out of it are read.
 * @param header as `readHeader` gives it
 * @param read bytes of the same file
 * @param frameNumbers from 1: of other frames' functional groups nothing is kept
 * Thrown when it would be more: DicomRenderError. What `read` throws passes.
 */
export async function renderingAttributes(
  header: ParsedHeader,
  read: RangeReader,
  frameNumbers: readonly number[],
): Promise<Pick<ParsedHeader, 'dataset'>> {
  const { deflated, bigEndian } = header.transferSyntax;
  let bytesKept = 0;
  const count = (byteCount: number): void => {
    bytesKept += byteCount;
    if (bytesKept > attributesBytesMax)
      throw new DicomRenderError('too-large', 'The object has more lookup tables than are kept for a picture');
  };
  const copied = async (element: DicomElement): Promise<DicomElement> => {
    const { tag, vr, value, range, items } = element;
    if (items) {
      const [first] = items;
      return { tag, vr, value: none, range, items: first ? [await copyOf(first, itemTags)] : [] };
    }
    // Ranges of a deflated file are none of its bytes.
    const isLeft = deflated || !tables.has(tag) || range.byteCount > tableBytesMax;
    if (element.notLoaded === true && isLeft) return element;
    count(element.notLoaded === true ? range.byteCount : value.length);
    if (element.notLoaded !== true) return { tag, vr, value: new Uint8Array(value), range };
    const bytes = await read(range.offset, range.byteCount);
    return { tag, vr, value: bigEndian ? toLittleEndian(vr, bytes) : new Uint8Array(bytes), range };
  };
  const copyOf = async (dataset: DicomDataset, kept: ReadonlySet<Tag>): Promise<DicomDataset> => {
    const elements = new Map<Tag, DicomElement>();
    for (const element of dataset) {
      if (!kept.has(element.tag)) continue;
      const isPerFrame = element.tag === perFrame && element.items !== undefined;
      elements.set(element.tag, isPerFrame ? await ofFrames(element) : await copied(element));
    }
    return new DicomDataset(elements, dataset.characterSet);
  };
  const nothing = new DicomDataset(new Map(), '');
  const ofFrames = async ({ tag, vr, range, items = [] }: DicomElement): Promise<DicomElement> => {
    const last = Math.min(items.length, Math.max(0, ...frameNumbers));
    const few = new Array<DicomDataset>(last).fill(nothing);
    for (const number of frameNumbers) {
      const item = items[number - 1];
      if (item) few[number - 1] = await copyOf(item, macros);
    }
    return { tag, vr, value: none, range, items: few };
  };
  return { dataset: await copyOf(header.dataset, renderingTags) };
}
