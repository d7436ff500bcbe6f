import { isUid } from '@callosum/kernel';
import { DicomWriteError } from './errors.js';
import type { DicomJson, DicomJsonElement, DicomJsonValue, PersonName } from './json.js';
import { ExplicitVRLittleEndian } from './transfer-syntax.js';
import type { Tag } from './tags.js';
import { writeElements, type ElementEncoding } from './write-elements.js';

export interface FileMetaInput {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
  readonly implementationClassUid: string;
  /** At most 16 characters (SH). */
  readonly implementationVersionName?: string;
  /** AE title of the sender, for an object received by DIMSE. */
  readonly sourceApplicationEntityTitle?: string;
}

export interface WriteOptions {
  readonly implementationClassUid: string;
  readonly implementationVersionName?: string;
  /** Default Explicit VR Little Endian. A compressed syntax needs `fragments` in Pixel Data. */
  readonly transferSyntaxUid?: string;
}

/**
 * A PS3.10 file of a dataset: preamble, File Meta Information, elements in ascending order with even lengths,
 * Explicit VR Little Endian. Text is written in UTF-8, with Specific Character Set ISO_IR 192 set when any value
 * needs it. SOP Class and Instance UID are taken from the dataset.
 * Thrown when the dataset has no valid SOP UIDs, or a value does not fit its VR: DicomWriteError.
 */
export function writeFile(dataset: DicomJson, options: WriteOptions): Uint8Array {
  const sopClassUid = uidIn(dataset, '00080016');
  const sopInstanceUid = uidIn(dataset, '00080018');
  const meta = writeFileMeta({
    ...options,
    sopClassUid,
    sopInstanceUid,
    transferSyntaxUid: options.transferSyntaxUid ?? ExplicitVRLittleEndian,
  });
  return Buffer.concat([meta, writeDataset(dataset)]);
}

function uidIn(dataset: DicomJson, tag: Tag): string {
  const value = dataset[tag]?.Value?.[0];
  if (typeof value !== 'string' || !isUid(value)) throw new DicomWriteError(`${tag} holds no valid UID`);
  return value;
}

/**
 * Preamble, "DICM" and group 0002 (PS3.10 7.1): put it before the dataset bytes of an object received by DIMSE and
 * the file is complete.
 * Thrown when a UID breaks PS3.5 9.1: DicomWriteError.
 */
export function writeFileMeta(input: FileMetaInput): Uint8Array {
  for (const uid of [input.sopClassUid, input.sopInstanceUid, input.transferSyntaxUid, input.implementationClassUid]) {
    if (!isUid(uid)) throw new DicomWriteError('File Meta Information needs valid UIDs (PS3.5 9.1)');
  }
  const text = (vr: string, value: string): DicomJsonElement => ({ vr, Value: [value] });
  const group = writeDataset({
    '00020001': { vr: 'OB', bytes: Uint8Array.of(0, 1) },
    '00020002': text('UI', input.sopClassUid),
    '00020003': text('UI', input.sopInstanceUid),
    '00020010': text('UI', input.transferSyntaxUid),
    '00020012': text('UI', input.implementationClassUid),
    ...(input.implementationVersionName ? { '00020013': text('SH', input.implementationVersionName) } : {}),
    ...(input.sourceApplicationEntityTitle ? { '00020016': text('AE', input.sourceApplicationEntityTitle) } : {}),
  });
  const head = Buffer.alloc(128 + 4 + 12);
  head.write('DICM', 128, 'latin1');
  head.writeUInt16LE(0x0002, 132);
  head.writeUInt16LE(0x0000, 134);
  head.write('UL', 136, 'latin1');
  head.writeUInt16LE(4, 138);
  head.writeUInt32LE(group.length, 140);
  return Buffer.concat([head, group]);
}

/** The dataset's bytes in Explicit VR Little Endian, without File Meta Information. Errors as `writeFile`. */
export function writeDataset(dataset: DicomJson): Uint8Array {
  const needsUnicode = hasNonAscii(dataset);
  return writeElements(
    needsUnicode ? { ...dataset, '00080005': { vr: 'CS', Value: ['ISO_IR 192'] } } : dataset,
    unicode,
  );
}

const unicode: ElementEncoding = {
  implicitVr: false,
  bigEndian: false,
  text: (text) => Buffer.from(text, 'utf8'),
};

function hasNonAscii(dataset: DicomJson): boolean {
  return Object.values(dataset).some(({ Value }) => (Value ?? []).some(valueHasNonAscii));
}

function valueHasNonAscii(value: DicomJsonValue): boolean {
  if (typeof value === 'string') return /[^\x00-\x7f]/.test(value);
  if (value === null || typeof value === 'number') return false;
  const isName = Object.keys(value).some((key) => !/^[0-9A-F]{8}$/.test(key));
  return isName ? Object.values(value as PersonName).some(valueHasNonAscii) : hasNonAscii(value as DicomJson);
}
