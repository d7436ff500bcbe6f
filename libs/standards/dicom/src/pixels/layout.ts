import type { ByteRange, DicomDataset } from '../dataset.js';
import { DicomPixelError } from '../errors.js';
import { parseFile, type ParsedFile, type ParsedHeader } from '../parse/parse.js';

/** Where the frames of an instance are in its file; the fields of `callosum.imaging.v1.PixelDataLayout`. */
export interface PixelDataLayout {
  readonly encapsulated: boolean;
  /** True when the dataset is deflated: offsets count in the inflated dataset, and a frame is no range of the file. */
  readonly deflated: boolean;
  /** First byte of the first native frame; 0 when encapsulated. */
  readonly nativeOffset: number;
  /** Bytes of one native frame; with Bits Allocated 1 a frame may end inside a byte, and this is rounded up. */
  readonly nativeFrameBytes: number;
  /** Per frame its fragments, when encapsulated. A video is one stream: its fragments are one entry. */
  readonly frames: readonly (readonly ByteRange[])[];
}

/** Reads a part of a file: exactly `byteCount` bytes, or fewer at its end. */
export type RangeReader = (offset: number, byteCount: number) => Promise<Uint8Array>;

/** Image attributes that say how samples lie in Pixel Data (PS3.3 C.7.6.3). */
export interface ImagePixel {
  readonly rows: number;
  readonly columns: number;
  readonly frames: number;
  readonly samplesPerPixel: number;
  readonly bitsAllocated: number;
  readonly bitsStored: number;
  /** 1: two's complement. */
  readonly pixelRepresentation: number;
  readonly planarConfiguration: number;
  readonly photometricInterpretation: string;
}

/** The largest slide image levels have about a million tiles. */
const framesMax = 4_000_000;
/** More samples in one frame than any real detector or slide level has: it stops a forged Rows × Columns. */
const frameSamplesMax = 1024 * 1024 * 1024;

/**
 * The Image Pixel attributes of an instance.
 * Thrown when they are absent or impossible: DicomPixelError.
 */
export function imagePixel(dataset: DicomDataset): ImagePixel {
  const image: ImagePixel = {
    rows: dataset.number('Rows') ?? 0,
    columns: dataset.number('Columns') ?? 0,
    frames: dataset.number('NumberOfFrames') ?? 1,
    samplesPerPixel: dataset.number('SamplesPerPixel') ?? 1,
    bitsAllocated: dataset.number('BitsAllocated') ?? 0,
    bitsStored: dataset.number('BitsStored') ?? dataset.number('BitsAllocated') ?? 0,
    pixelRepresentation: dataset.number('PixelRepresentation') ?? 0,
    planarConfiguration: dataset.number('PlanarConfiguration') ?? 0,
    photometricInterpretation: dataset.string('PhotometricInterpretation') ?? '',
  };
  const broken = (what: string): DicomPixelError =>
    new DicomPixelError('dicom.pixel-data-broken', `${what} (PS3.3 C.7.6.3)`);
  if (image.rows < 1 || image.columns < 1) throw broken('Rows or Columns is absent or 0');
  if (image.frames > framesMax) throw broken('Number of Frames is more than any object has');
  if (!Number.isInteger(image.frames) || image.frames < 1) throw broken('Number of Frames is no positive number');
  if (![1, 3, 4].includes(image.samplesPerPixel)) throw broken('Samples per Pixel is none of 1, 3 and 4');
  if (![1, 8, 16, 32, 64].includes(image.bitsAllocated)) throw broken('Bits Allocated is none of 1, 8, 16, 32 and 64');
  if (image.bitsStored < 1 || image.bitsStored > image.bitsAllocated)
    throw broken('Bits Stored is more than Bits Allocated');
  if (image.rows * image.columns * image.samplesPerPixel > frameSamplesMax)
    throw broken('A frame is larger than any image');
  return image;
}

/** Bytes of all native frames; YBR_FULL_422 stores two chroma samples for two pixels (PS3.3 C.7.6.3.1.2). */
export function nativeFrameBits(image: ImagePixel): number {
  const samples = image.photometricInterpretation === 'YBR_FULL_422' ? 2 : image.samplesPerPixel;
  return image.rows * image.columns * samples * image.bitsAllocated;
}

/**
 * Where the frames of a whole file are.
 * Thrown when it has no Pixel Data, or frames cannot be told apart: DicomPixelError.
 */
export function pixelDataLayout(source: Uint8Array | ParsedFile): PixelDataLayout {
  const file = source instanceof Uint8Array ? parseFile(source) : source;
  const element = file.pixelData && file.dataset.element(file.pixelData.tag);
  if (!file.pixelData || !element) throw absent();
  if (!element.fragments) return nativeLayout(file, file.pixelData);
  const [table, ...fragments] = element.fragments;
  const bot = table ? uint32s(file.bytes.subarray(table.offset, table.offset + table.byteCount)) : [];
  const starts = (range: ByteRange): boolean => startsCodeStream(file.bytes, range.offset);
  return encapsulatedLayout(
    file,
    groupFragments(file, fragments, bot, (ranges) => ranges.map(starts)),
  );
}

/**
 * Where the frames are, from a header and a reader of ranges: native frames need no read, encapsulated ones a walk
 * over item headers (PS3.5 A.4), or none when the Extended Offset Table is there.
 * Thrown when there is no Pixel Data, or frames cannot be told apart: DicomPixelError.
 */
export async function readPixelDataLayout(header: ParsedHeader, read: RangeReader): Promise<PixelDataLayout> {
  if (!header.pixelData) throw absent();
  if (header.pixelData.byteCount !== undefined) return nativeLayout(header, header.pixelData);
  if (header.transferSyntax.deflated)
    throw new DicomPixelError('dicom.pixel-data-unsupported', 'Encapsulated pixels in a deflated dataset');
  const extended = extendedOffsets(header.dataset, header.pixelData.offset);
  const walked = await walkItems(header.pixelData.offset, read, extended !== undefined);
  if (extended) return encapsulatedLayout(header, extended(walked.firstFragmentItem));
  const starts = walked.starts;
  return encapsulatedLayout(
    header,
    groupFragments(header, walked.fragments, walked.table, () => starts),
  );
}

const absent = (): DicomPixelError => new DicomPixelError('dicom.pixel-data-absent', 'The instance has no Pixel Data');

function nativeLayout(header: ParsedHeader, pixelData: { offset: number; tag: string }): PixelDataLayout {
  const image = imagePixel(header.dataset);
  return {
    encapsulated: false,
    deflated: header.transferSyntax.deflated,
    nativeOffset: pixelData.offset,
    nativeFrameBytes: Math.ceil(nativeFrameBits(image) / 8),
    frames: [],
  };
}

function encapsulatedLayout(header: ParsedHeader, frames: readonly (readonly ByteRange[])[]): PixelDataLayout {
  return { encapsulated: true, deflated: header.transferSyntax.deflated, nativeOffset: 0, nativeFrameBytes: 0, frames };
}

/** Which fragments make which frame: Basic Offset Table, one to one, or where code streams start. */
function groupFragments(
  header: ParsedHeader,
  fragments: readonly ByteRange[],
  table: readonly number[],
  startsOf: (fragments: readonly ByteRange[]) => readonly boolean[],
): ByteRange[][] {
  const count = header.dataset.number('NumberOfFrames') ?? 1;
  if (header.transferSyntax.video || count === 1) return fragments.length === 0 ? [] : [[...fragments]];
  const first = fragments[0];
  if (!first) throw new DicomPixelError('dicom.pixel-data-broken', 'Pixel Data has no fragments');
  if (fragments.length === count) return fragments.map((fragment) => [fragment]);
  const byTable = splitAt(
    fragments,
    new Set(table.map((offset) => first.offset + offset)),
    (fragment) => fragment.offset,
  );
  if (table.length === count && byTable.length === count) return byTable;
  const starts = startsOf(fragments);
  const byStart = splitAt(
    fragments,
    new Set(fragments.filter((_, i) => starts[i] === true).map(({ offset }) => offset)),
    ({ offset }) => offset,
  );
  if (byStart.length === count) return byStart;
  throw new DicomPixelError('dicom.pixel-data-broken', 'Fragments cannot be assigned to frames: no offset table fits');
}

function splitAt(
  fragments: readonly ByteRange[],
  starts: ReadonlySet<number>,
  offsetOf: (fragment: ByteRange) => number,
): ByteRange[][] {
  const groups: ByteRange[][] = [];
  for (const fragment of fragments) {
    const group = groups[groups.length - 1];
    if (!group || starts.has(offsetOf(fragment))) groups.push([fragment]);
    else group.push(fragment);
  }
  return groups;
}

/** JPEG and JPEG-LS start with SOI, JPEG 2000 with SOC and SIZ. */
function startsCodeStream(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0xff && (bytes[at + 1] === 0xd8 || (bytes[at + 1] === 0x4f && bytes[at + 2] === 0xff));
}

/** Extended Offset Table (PS3.3 C.7.6.3.1.8): one fragment a frame, lengths stated. */
function extendedOffsets(
  dataset: DicomDataset,
  _pixelDataOffset: number,
): ((firstItem: number) => ByteRange[][]) | undefined {
  const offsets = dataset.bytes('ExtendedOffsetTable');
  const lengths = dataset.bytes('ExtendedOffsetTableLengths');
  if (!offsets || !lengths || offsets.length === 0 || offsets.length !== lengths.length) return undefined;
  const at = uint64s(offsets);
  const counts = uint64s(lengths);
  if (at.length !== (dataset.number('NumberOfFrames') ?? 1)) return undefined;
  return (firstItem) => at.map((offset, i) => [{ offset: firstItem + 8 + offset, byteCount: counts[i] ?? 0 }]);
}

interface WalkedItems {
  readonly table: readonly number[];
  readonly fragments: readonly ByteRange[];
  /** Per fragment: does it start a code stream? */
  readonly starts: readonly boolean[];
  /** Where the first item after the offset table is. */
  readonly firstFragmentItem: number;
}

/** An offset table of four million frames. */
const offsetTableBytesMax = 4 * framesMax;

/** Item headers are read in pieces: small fragments share one read, and a large one is jumped over. */
const walkBytes = 64 * 1024;

async function walkItems(start: number, read: RangeReader, tableOnly: boolean): Promise<WalkedItems> {
  let window = { offset: start, bytes: await read(start, walkBytes) };
  const at = async (offset: number, byteCount: number): Promise<Buffer> => {
    const inside = offset >= window.offset && offset + byteCount <= window.offset + window.bytes.length;
    if (!inside) window = { offset, bytes: await read(offset, Math.max(walkBytes, byteCount)) };
    return Buffer.from(
      window.bytes.buffer,
      window.bytes.byteOffset + offset - window.offset,
      Math.max(0, Math.min(byteCount, window.bytes.length - (offset - window.offset))),
    );
  };
  const fragments: ByteRange[] = [];
  const starts: boolean[] = [];
  let table: number[] | undefined;
  for (let position = start; ;) {
    const head = await at(position, 8);
    if (head.length < 8) throw new DicomPixelError('dicom.pixel-data-broken', 'Pixel Data ends before its delimiter');
    const tag = head.readUInt16LE(0) * 0x10000 + head.readUInt16LE(2);
    const byteCount = head.readUInt32LE(4);
    if (tag === 0xfffee0dd) break;
    if (tag !== 0xfffee000 || byteCount === 0xffffffff)
      throw new DicomPixelError('dicom.pixel-data-broken', 'Pixel Data holds something else than fragments');
    const offset = position + 8;
    position = offset + byteCount;
    if (table === undefined) {
      if (byteCount > offsetTableBytesMax)
        throw new DicomPixelError('dicom.pixel-data-broken', 'The Basic Offset Table is longer than any');
      table = uint32s(await at(offset, byteCount));
      if (tableOnly) return { table, fragments, starts, firstFragmentItem: position };
      continue;
    }
    if (fragments.length >= framesMax)
      throw new DicomPixelError('dicom.pixel-data-broken', 'Pixel Data has more fragments than any object');
    fragments.push({ offset, byteCount });
    starts.push(startsCodeStream(await at(offset, Math.min(4, byteCount)), 0));
  }
  return { table: table ?? [], fragments, starts, firstFragmentItem: 0 };
}

function uint32s(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, i) => view.getUint32(i * 4, true));
}

function uint64s(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: Math.floor(bytes.length / 8) }, (_, i) => Number(view.getBigUint64(i * 8, true)));
}
