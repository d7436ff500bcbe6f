import { DicomDataset } from '../dataset.js';
import { DicomParseError } from '../errors.js';
import { ExplicitVRLittleEndian } from '../transfer-syntax.js';
import { EndOfBytes } from './cursor.js';
import { defaultParseLimits } from './limits.js';
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

/** True when the bytes start like a PS3.10 file: 128 bytes of preamble, then "DICM". */
export function isPart10(bytes: Uint8Array): boolean {
  return (
    bytes.length >= 132 && bytes[128] === 0x44 && bytes[129] === 0x49 && bytes[130] === 0x43 && bytes[131] === 0x4d
  );
}

export const emptyMeta = (): FileMeta => ({
  mediaStorageSopClassUid: '',
  mediaStorageSopInstanceUid: '',
  transferSyntaxUid: ExplicitVRLittleEndian,
  implementationClassUid: '',
  implementationVersionName: '',
  sourceApplicationEntityTitle: '',
  dataset: new DicomDataset(new Map(), ''),
});

/**
 * Group 0002 of a file's first bytes, and where the dataset begins.
 * Thrown when there is none: DicomParseError; EndOfBytes when the bytes end inside it.
 */
export function readFileMeta(bytes: Uint8Array): { fileMeta: FileMeta; datasetOffset: number } {
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
