import { inflateRawSync } from 'node:zlib';
import { DicomDataset, type ByteRange } from '../dataset.js';
import { DicomParseError } from '../errors.js';
import { ExplicitVRLittleEndian, transferSyntaxOf, type TransferSyntax } from '../transfer-syntax.js';
import { defaultParseLimits, type ParseLimits } from './limits.js';
import { EndOfBytes } from './cursor.js';
import { ElementReader } from './reader.js';

/** File Meta Information (PS3.10 7.1). UIDs are '' when the file does not state them. */
export interface FileMeta {
  readonly mediaStorageSopClassUid: string;
  readonly mediaStorageSopInstanceUid: string;
  readonly transferSyntaxUid: string;
  readonly implementationClassUid: string;
  readonly implementationVersionName: string;
  readonly sourceApplicationEntityTitle: string;
  /** All of group 0002. */
  readonly dataset: DicomDataset;
}

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

/** True when the bytes start like a PS3.10 file: 128 bytes of preamble, then "DICM". */
export function isPart10(bytes: Uint8Array): boolean {
  return (
    bytes.length >= 132 && bytes[128] === 0x44 && bytes[129] === 0x49 && bytes[130] === 0x43 && bytes[131] === 0x4d
  );
}

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

const emptyMeta = (): FileMeta => ({
  mediaStorageSopClassUid: '',
  mediaStorageSopInstanceUid: '',
  transferSyntaxUid: ExplicitVRLittleEndian,
  implementationClassUid: '',
  implementationVersionName: '',
  sourceApplicationEntityTitle: '',
  dataset: new DicomDataset(new Map(), ''),
});

function readFileMeta(bytes: Uint8Array): { fileMeta: FileMeta; datasetOffset: number } {
  if (!isPart10(bytes)) throw new DicomParseError('No DICOM file: "DICM" is missing after the preamble (PS3.10 7.1)');
  const end = metaEnd(bytes);
  const reader = new ElementReader(bytes.subarray(0, end), defaultParseLimits, false, 132);
  const dataset = reader.readDataset({ implicitVr: false, bigEndian: false }, end, '', 0, false);
  const transferSyntaxUid = dataset.string('TransferSyntaxUID');
  if (transferSyntaxUid === undefined)
    throw new DicomParseError('File Meta Information states no Transfer Syntax UID (PS3.10 7.1)');
  const fileMeta = {
    mediaStorageSopClassUid: dataset.string('MediaStorageSOPClassUID') ?? '',
    mediaStorageSopInstanceUid: dataset.string('MediaStorageSOPInstanceUID') ?? '',
    transferSyntaxUid,
    implementationClassUid: dataset.string('ImplementationClassUID') ?? '',
    implementationVersionName: dataset.string('ImplementationVersionName') ?? '',
    sourceApplicationEntityTitle: dataset.string('SourceApplicationEntityTitle') ?? '',
    dataset,
  };
  return { fileMeta, datasetOffset: end };
}

/** Private information (0002,0102) may stand in it; real files stay below 1 KiB. */
const metaBytesMax = 1024 * 1024;

/**
 * Where group 0002 ends. Its elements are walked, for the stated group length (0002,0000) is wrong or missing in
 * real files and would start the dataset at the wrong byte.
 */
function metaEnd(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 132;
  if (bytes.length === 132) throw new EndOfBytes('The bytes end inside File Meta Information');
  while (at + 8 <= bytes.length && view.getUint16(at, true) === 0x0002) {
    const isLong = ['OB', 'UN', 'UT', 'OW'].includes(String.fromCharCode(bytes[at + 4] ?? 0, bytes[at + 5] ?? 0));
    if (isLong && at + 12 > bytes.length) throw new EndOfBytes('The bytes end inside File Meta Information');
    const length = isLong ? view.getUint32(at + 8, true) : view.getUint16(at + 6, true);
    at += (isLong ? 12 : 8) + length;
  }
  if (at - 132 > metaBytesMax) throw new DicomParseError('File Meta Information is longer than any');
  if (at > bytes.length) throw new EndOfBytes('The bytes end inside File Meta Information');
  return at;
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

/**
 * Some files state Explicit VR and hold Implicit VR (or the reverse): the first element tells, as PS3.5 A requires
 * one encoding for the whole dataset. Byte order is not guessed.
 */
function actualEncoding(
  bytes: Uint8Array,
  start: number,
  stated: { implicitVr: boolean; bigEndian: boolean },
): { implicitVr: boolean; bigEndian: boolean } {
  const first = bytes[start + 4];
  const second = bytes[start + 5];
  if (first === undefined || second === undefined || stated.bigEndian) return stated;
  const isLetters = first >= 0x41 && first <= 0x5a && second >= 0x41 && second <= 0x5a;
  if (
    stated.implicitVr &&
    isLetters &&
    [0x41, 0x43, 0x44, 0x46, 0x49, 0x4c, 0x4f, 0x50, 0x53, 0x54, 0x55].includes(first)
  )
    return { implicitVr: false, bigEndian: false };
  if (!stated.implicitVr && first < 0x41 && second < 0x41) return { implicitVr: true, bigEndian: false };
  return stated;
}

function inflate(deflated: Uint8Array, limits: ParseLimits): Uint8Array {
  const maxOutputLength = Math.min(
    limits.inflatedBytesMax,
    Math.max(1024 * 1024, deflated.length * limits.inflateRatioMax),
  );
  try {
    return inflateRawSync(deflated, { maxOutputLength });
  } catch (error) {
    throw new DicomParseError('The deflated dataset cannot be inflated, or inflates past its limit', { cause: error });
  }
}
