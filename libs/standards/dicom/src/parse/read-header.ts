import { DicomDataset } from '../dataset.js';
import { DicomParseError, TooManyElementsError } from '../errors.js';
import type { Tag } from '../tags.js';
import type { RangeReader } from '../pixels/layout.js';
import { ByteStream, truncated } from '../transcode/byte-stream.js';
import { itemTag, readItemHead, sequenceDelimiter } from '../transcode/head.js';
import { fileMetaOf } from '../transcode/source.js';
import { transferSyntaxOf } from '../transfer-syntax.js';
import { type RangedFile, walkedDataset } from './dataset-stream.js';
import type { FileMeta } from './file-meta.js';
import { HeaderBody } from './header-body.js';
import { defaultParseLimits, parsedElementsMax } from './limits.js';
import { headerPrefixBytes, parseHeader, type ParsedHeader } from './parse.js';
import { RangedBytes } from './ranged-bytes.js';

/** Each further read is this many times longer: a header of 1 MiB takes four reads, one of 8 KiB takes one. */
const growth = 4;
/** A header that is longer is walked piece by piece instead of held and parsed again. */
const parsedPrefixBytesMax = 1024 * 1024;

export interface ReadHeaderOptions {
  /** The file's first bytes, where they are there already. */
  readonly prefix?: Uint8Array;
  /** Of a deflated file: inflates all of it, to see that it is whole. */
  readonly toTheEnd?: boolean;
  /** Only these elements are kept, however many there are; what is refused is the same. */
  readonly only?: ReadonlySet<Tag>;
}

/**
 * Reads a PS3.10 file up to Pixel Data by ranges, in bounded memory: of a header longer than 1 MiB or of more than
 * 20,000 elements, and of a deflated file, values longer than 64 KiB and sequences past `headerMemory` are not loaded;
 * what is deflated is inflated piece by piece.
 * @param read bytes of the file; called within it only
 * Thrown when it is no DICOM file, is truncated, or its header passes `headerMemory`: DicomParseError. What `read` throws
 * passes.
 */
export async function readHeader(
  read: RangeReader,
  fileBytes: number,
  { prefix = new Uint8Array(0), toTheEnd = false, only }: ReadHeaderOptions = {},
): Promise<ParsedHeader> {
  let bytes = prefix;
  for (let wanted = headerPrefixBytes; ; wanted *= growth) {
    const end = Math.min(wanted, fileBytes);
    if (bytes.length < end) bytes = Buffer.concat([bytes, await read(bytes.length, end - bytes.length)]);
    if (bytes.length < end) throw new DicomParseError('The file is shorter than what is known of it');
    const isWhole = bytes.length === fileBytes;
    const isLast = isWhole || bytes.length >= parsedPrefixBytesMax;
    const meta = fileMetaOf(bytes, !isLast);
    if (!meta) continue;
    const transferSyntax = transferSyntaxOf(meta.fileMeta.transferSyntaxUid);
    const file = { ...meta, transferSyntax, read: withPrefix(bytes, read), fileBytes, only };
    if (transferSyntax.deflated) return walked(file, toTheEnd);
    const header = parsed(bytes, isWhole);
    if (header === 'too-many' || (header === 'need-more' && isLast)) return walked(file, false);
    if (header !== 'need-more') return only ? withOnly(header, only) : header;
  }
}

function parsed(bytes: Uint8Array, complete: boolean): ParsedHeader | 'need-more' | 'too-many' {
  try {
    return parseHeader(bytes, { complete, limits: { elementsMax: parsedElementsMax } });
  } catch (error) {
    if (error instanceof TooManyElementsError) return 'too-many';
    throw error;
  }
}

/** A header that has kept these elements of the top level, and no more. */
export function withOnly(header: ParsedHeader, only: ReadonlySet<Tag>): ParsedHeader {
  const kept = [...header.dataset].filter(({ tag }) => only.has(tag));
  const elements = kept.map((element) => [element.tag, { ...element, value: element.value.slice() }] as const);
  return { ...header, dataset: new DicomDataset(new Map(elements), header.dataset.characterSet) };
}

/**
 * True when encapsulated Pixel Data ends with its delimiter (PS3.5 A.4).
 * @param offset of its first item in the file
 */
export async function encapsulationEnds(read: RangeReader, offset: number, fileBytes: number): Promise<boolean> {
  const bytes = new RangedBytes(read, offset, fileBytes);
  const stream = new ByteStream(bytes, undefined, bytes);
  try {
    for (;;) {
      const { tag, length } = readItemHead(await stream.read(8), { implicitVr: false, bigEndian: false });
      if (tag === sequenceDelimiter) return true;
      if (tag !== itemTag) return false;
      await stream.skip(length);
    }
  } catch (error) {
    if (error instanceof DicomParseError) return false;
    throw error;
  } finally {
    await stream.close();
  }
}

interface OpenFile extends RangedFile {
  readonly fileMeta: FileMeta;
  readonly only: ReadonlySet<Tag> | undefined;
}

const withPrefix =
  (prefix: Uint8Array, read: RangeReader): RangeReader =>
  (offset, byteCount) =>
    offset < prefix.length ? Promise.resolve(prefix.subarray(offset, offset + byteCount)) : read(offset, byteCount);

/** @param toTheEnd of what is deflated: inflates all of it, to see that it is whole */
async function walked(file: OpenFile, toTheEnd: boolean): Promise<ParsedHeader> {
  const { fileMeta, transferSyntax, datasetOffset, only } = file;
  const { walker, offset, close } = await walkedDataset(file);
  try {
    const body = new HeaderBody(walker, offset, defaultParseLimits, only);
    const dataset = await body.dataset();
    if (dataset.size === 0) throw new DicomParseError('No dataset follows File Meta Information');
    const header = { fileMeta, transferSyntax, dataset, datasetOffset, pixelData: body.pixelData };
    if (transferSyntax.deflated && toTheEnd) await expectWhole(walker.stream, header);
    return header;
  } finally {
    await close();
  }
}

/** What is behind the header inflates, and native Pixel Data is all there. Thrown when not: DicomParseError. */
async function expectWhole(stream: ByteStream, { pixelData }: ParsedHeader): Promise<void> {
  for await (const _ of stream.rest());
  if (pixelData?.byteCount !== undefined && pixelData.offset + pixelData.byteCount > stream.position) throw truncated();
}
