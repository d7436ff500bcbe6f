import { DicomDataset, type DicomElement } from '../dataset.js';
import { toLittleEndian } from '../parse/byte-order.js';
import { headerMemory } from '../parse/limits.js';
import type { ParsedHeader } from '../parse/parse.js';
import { readItems } from '../parse/read-items.js';
import type { RangeReader } from '../pixels/layout.js';
import { tagOf, type Tag } from '../tags.js';
import type { TransferSyntax } from '../transfer-syntax.js';
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
const sequences: ReadonlySet<Tag> = new Set([
  ...macros,
  ...['VOILUTSequence', 'ModalityLUTSequence', 'SharedFunctionalGroupsSequence'].map(tagOf),
  perFrame,
]);
const none = new Uint8Array(0);
const nothing = new DicomDataset(new Map(), '');
/** Eight times as long as the longest table that has no segments: 65,536 words (PS3.3 C.7.6.3.1.5). */
const tableBytesMax = 1024 * 1024;
/** Tables of a palette, or some for each of a hundred frames: nobody's header has more to say of how it looks. */
const attributesBytesMax = 32 * 1024 * 1024;

/**
 * What `renderFrame` needs of a header, and nothing else: copies, of 32 MiB at most whatever is in the header. What was
 * left out of it, lookup tables and functional groups of the frames, is read.
 * @param header as `readHeader` gives it
 * @param read bytes of the same file
 * @param frameNumbers from 1: of other frames' functional groups nothing is kept
 * Thrown when it would be more, or cannot be read: DicomRenderError. What `read` throws passes.
 */
export async function renderingAttributes(
  header: ParsedHeader,
  read: RangeReader,
  fileBytes: number,
  frameNumbers: readonly number[],
): Promise<Pick<ParsedHeader, 'dataset'>> {
  const copies = new Copies(header.transferSyntax, read);
  const elements = new Map<Tag, DicomElement>();
  const left = new Map<Tag, ReadonlySet<number>>();
  for (const element of header.dataset) {
    const { tag } = element;
    if (!renderingTags.has(tag)) continue;
    if (isLeftSequence(element))
      left.set(tag, new Set(tag === perFrame ? frameNumbers.map((number) => number - 1) : [0]));
    else elements.set(tag, await (tag === perFrame ? copies.ofFrames(element, frameNumbers) : copies.of(element)));
  }
  // With holes for the frames between them: there may be a million.
  const found = new Map([...left.keys()].map((tag) => [tag, [] as DicomDataset[]]));
  if (left.size > 0)
    for await (const { tag, number, item } of readItems(header, read, fileBytes, left)) {
      const copy = await copies.ofItem(item, tag === perFrame ? macros : itemTags);
      (found.get(tag) ?? [])[number] = copy;
    }
  for (const [tag, items] of found)
    elements.set(tag, { tag, vr: 'SQ', value: none, range: { offset: 0, byteCount: 0 }, items });
  return { dataset: new DicomDataset(elements, header.dataset.characterSet) };
}

/** Of the sequence itself it says where it lies, and nothing of what is in it. */
const isLeftSequence = ({ tag, notLoaded }: DicomElement): boolean => notLoaded === true && sequences.has(tag);

/** Copies of elements, counted. */
class Copies {
  #bytesKept = 0;

  constructor(
    private readonly transferSyntax: Pick<TransferSyntax, 'deflated' | 'bigEndian'>,
    private readonly read: RangeReader,
  ) {}

  async of(element: DicomElement): Promise<DicomElement> {
    const { tag, vr, value, range, items, notLoaded } = element;
    if (items) {
      const [first] = items;
      return { tag, vr, value: none, range, items: first ? [await this.#dataset(first, itemTags)] : [] };
    }
    if (notLoaded !== true) {
      this.#count(value.length);
      return { tag, vr, value: new Uint8Array(value), range };
    }
    // Ranges of a deflated file are none of its bytes.
    if (isLeftSequence(element) || this.transferSyntax.deflated || range.byteCount > tableBytesMax) {
      // Who looks into a table sees that it was left out; any other value would be taken for one that is not there.
      if (tables.has(tag)) return element;
      throw new DicomRenderError('not-loaded', 'An attribute of how the image looks is too long to be read');
    }
    this.#count(range.byteCount);
    const bytes = await this.read(range.offset, range.byteCount);
    const { bigEndian } = this.transferSyntax;
    return { tag, vr, value: bigEndian ? toLittleEndian(vr, bytes) : new Uint8Array(bytes), range };
  }

  /** Per-Frame Functional Groups Sequence, as it is in a header. */
  async ofFrames(element: DicomElement, frameNumbers: readonly number[]): Promise<DicomElement> {
    const { tag, vr, range, items } = element;
    if (!items) return this.of(element);
    const last = Math.min(items.length, Math.max(0, ...frameNumbers));
    const few = new Array<DicomDataset>(last).fill(nothing);
    for (const number of frameNumbers) {
      const item = items[number - 1];
      if (item) few[number - 1] = await this.#dataset(item, macros);
    }
    return { tag, vr, value: none, range, items: few };
  }

  /** An item that is in no header: its elements count too. */
  async ofItem(item: DicomDataset, kept: ReadonlySet<Tag>): Promise<DicomDataset> {
    const copy = await this.#dataset(item, kept);
    this.#count(elementsOf(copy) * headerMemory.element);
    return copy;
  }

  async #dataset(dataset: DicomDataset, kept: ReadonlySet<Tag>): Promise<DicomDataset> {
    const elements = new Map<Tag, DicomElement>();
    for (const element of dataset) if (kept.has(element.tag)) elements.set(element.tag, await this.of(element));
    return new DicomDataset(elements, dataset.characterSet);
  }

  #count(byteCount: number): void {
    this.#bytesKept += byteCount;
    if (this.#bytesKept > attributesBytesMax)
      throw new DicomRenderError('too-large', 'The object says more of how its frames look than is kept for a picture');
  }
}

function elementsOf(dataset: DicomDataset): number {
  let count = 1;
  for (const { items } of dataset) count += 1 + (items ?? []).reduce((sum, item) => sum + elementsOf(item), 0);
  return count;
}
