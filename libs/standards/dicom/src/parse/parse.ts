import { promisify } from 'node:util';
import { inflateRaw, inflateRawSync } from 'node:zlib';
import type { ByteRange, DicomDataset } from '../dataset.js';
import { DicomParseError } from '../errors.js';
import { ExplicitVRLittleEndian, transferSyntaxOf, type TransferSyntax } from '../transfer-syntax.js';
import { actualEncoding } from './actual-encoding.js';
import { EndOfBytes } from './cursor.js';
import { emptyMeta, readFileMeta, type FileMeta } from './file-meta.js';
import { defaultParseLimits, inflatedBytesMaxOf, type ParseLimits } from './limits.js';
import { ElementReader } from './reader.js';

export { isPart10, type FileMeta } from './file-meta.js';

export interface ParsedHeader {
  readonly fileMeta: FileMeta;
  readonly transferSyntax: TransferSyntax;
  /** Elements before Pixel Data, which is present but not loaded. */
  readonly dataset: DicomDataset;
  /** First byte of the dataset in the file. */
  readonly datasetOffset: number;
  /**
   * Pixel Data's value: its offset in the file and length, undefined when the length is (encapsulated). For a
   * deflated file both count in the inflated dataset.
   */
  readonly pixelData:
    | { readonly offset: number; readonly byteCount: number | undefined; readonly tag: string; readonly vr: string }
    | undefined;
}

export interface ParsedFile extends ParsedHeader {
  /** The bytes that every range of an element counts in: the file, or the inflated dataset of a deflated one. */
  readonly bytes: Uint8Array;
  /** Where bytes after Pixel Data stop being elements: the file has rubbish at its end. */
  readonly garbageOffset: number | undefined;
}

export interface ParseOptions {
  readonly limits?: Partial<ParseLimits>;
}

/** Bytes a reader should fetch first for `parseHeader`: headers of CT and MR are 2 to 8 KiB. */
export const headerPrefixBytes = 16 * 1024;

/**
 * Reads a PS3.10 file up to Pixel Data from its first bytes.
 * @param prefix the first bytes of the file
 * @param complete true when they are all of it
 * @returns 'need-more' when the header is longer than the prefix: fetch a longer one and call again
 * Thrown when the bytes are no DICOM file: DicomParseError.
 */
export function parseHeader(
  prefix: Uint8Array,
  { complete, ...options }: ParseOptions & { complete: boolean },
): ParsedHeader | 'need-more' {
  return guard(complete, () => {
    const bytes = plain(prefix);
    if (bytes.length < 132 && !complete) return 'need-more';
    const { fileMeta, datasetOffset } = readFileMeta(bytes);
    const transferSyntax = transferSyntaxOf(fileMeta.transferSyntaxUid);
    // An inflater that stops in the middle cannot tell "truncated" from "need more": deflated files are read whole.
    if (transferSyntax.deflated && !complete) return 'need-more';
    const { dataset, pixelData } = parseBody(bytes, fileMeta, datasetOffset, transferSyntax, true, complete, options);
    return { fileMeta, transferSyntax, dataset, datasetOffset, pixelData };
  });
}

/**
 * Reads a whole PS3.10 file, Pixel Data and what follows it included.
 * Thrown when the bytes are no DICOM file, are truncated, or pass a limit: DicomParseError.
 */
export function parseFile(file: Uint8Array, options: ParseOptions = {}): ParsedFile {
  return guard(true, () => {
    const bytes = plain(file);
    const { fileMeta, datasetOffset } = readFileMeta(bytes);
    return parseBody(
      bytes,
      fileMeta,
      datasetOffset,
      transferSyntaxOf(fileMeta.transferSyntaxUid),
      false,
      true,
      options,
    );
  });
}

/**
 * As `parseFile`, but a deflated file comes back as if it had been stored inflated, and is inflated while others go on.
 * @param inflatedBytesMax bytes it may inflate to, however few it has itself: the caller has room for them
 */
export async function parseInflated(
  file: Uint8Array,
  inflatedBytesMax: number,
  options: ParseOptions = {},
): Promise<ParsedFile> {
  const { fileMeta, datasetOffset } = guard(true, () => readFileMeta(plain(file)));
  if (!transferSyntaxOf(fileMeta.transferSyntaxUid).deflated) return parseFile(file, options);
  const deflated = file.subarray(datasetOffset);
  const bytes = await promisify(inflateRaw)(deflated, { maxOutputLength: inflatedBytesMax }).catch(notInflated);
  return { ...parseDataset(bytes, ExplicitVRLittleEndian, options), fileMeta };
}

/**
 * Reads a dataset without preamble and File Meta Information: what a DIMSE message carries (PS3.7 6.3.1).
 * Thrown when it is no such dataset, is truncated, or passes a limit: DicomParseError.
 */
export function parseDataset(
  bytes: Uint8Array,
  transferSyntaxUid: string,
  options: ParseOptions & { stopAtPixelData?: boolean } = {},
): ParsedFile {
  return guard(true, () => {
    const fileMeta = { ...emptyMeta(), transferSyntaxUid };
    return parseBody(
      plain(bytes),
      fileMeta,
      0,
      transferSyntaxOf(transferSyntaxUid),
      options.stopAtPixelData ?? false,
      true,
      options,
    );
  });
}

/** The same memory as a Uint8Array proper: a Buffer's `slice` shares memory where a Uint8Array's copies. */
const plain = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function guard<T>(complete: boolean, parse: () => T): T | 'need-more';
function guard<T>(complete: true, parse: () => T): T;
function guard<T>(complete: boolean, parse: () => T): T | 'need-more' {
  try {
    return parse();
  } catch (error) {
    if (error instanceof DicomParseError) throw error;
    if (error instanceof EndOfBytes) {
      if (!complete) return 'need-more';
      throw new DicomParseError(`Truncated: ${error.message.toLowerCase()}`);
    }
    throw new DicomParseError('The dataset cannot be read', { cause: error });
  }
}

function parseBody(
  file: Uint8Array,
  fileMeta: FileMeta,
  datasetOffset: number,
  transferSyntax: TransferSyntax,
  headerOnly: boolean,
  complete: boolean,
  options: ParseOptions,
): ParsedFile {
  const limits = { ...defaultParseLimits, ...options.limits };
  const bytes = transferSyntax.deflated ? inflate(file.subarray(datasetOffset), limits) : file;
  const start = transferSyntax.deflated ? 0 : datasetOffset;
  const reader = new ElementReader(bytes, limits, headerOnly, start, complete);
  const encoding = { implicitVr: transferSyntax.implicitVr, bigEndian: transferSyntax.bigEndian };
  const dataset = reader.readDataset(actualEncoding(bytes, start, encoding), bytes.length, '', 0, false);
  if (complete && dataset.size === 0) throw new DicomParseError('No dataset follows File Meta Information');
  // A prefix that ends exactly between two elements says nothing about what follows.
  const element = ['7FE00010', '7FE00008', '7FE00009']
    .map((tag) => dataset.element(tag))
    .find((found) => found !== undefined);
  if (headerOnly && !complete && element?.notLoaded !== true) throw new EndOfBytes('The bytes end before Pixel Data');
  const pixelData = element && pixelDataOf(element.tag, element.vr, element.range, element.fragments !== undefined);
  return { fileMeta, transferSyntax, dataset, datasetOffset, bytes, garbageOffset: reader.garbageOffset, pixelData };
}

function pixelDataOf(
  tag: string,
  vr: string,
  range: ByteRange,
  encapsulated: boolean,
): NonNullable<ParsedHeader['pixelData']> {
  return {
    tag,
    vr,
    offset: range.offset,
    byteCount: encapsulated || range.byteCount === 0xffffffff ? undefined : range.byteCount,
  };
}

function inflate(deflated: Uint8Array, limits: ParseLimits): Uint8Array {
  try {
    return inflateRawSync(deflated, { maxOutputLength: inflatedBytesMaxOf(deflated.length, limits) });
  } catch (error) {
    return notInflated(error);
  }
}

function notInflated(cause: unknown): never {
  throw new DicomParseError('The deflated dataset cannot be inflated, or inflates past its limit', { cause });
}
