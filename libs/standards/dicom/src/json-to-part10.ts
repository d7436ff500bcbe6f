import { isUid } from '@callosum/kernel';
import { ByteBlocks } from './byte-blocks.js';
import { DicomWriteError } from './errors.js';
import { implementationClassUid, implementationVersionName } from './implementation.js';
import type { DicomJson } from './json.js';
import type { Part10Options } from './json-to-part10-options.js';
import { CheckedWriter, isAsciiText, itemOf } from './json-to-part10-writer.js';
import { StepCount, type Steps } from './parse/loop-turns.js';
import type { Tag } from './tags.js';
import { bulkVrs, longFormVrs } from './vr.js';
import { writeFileMeta } from './write.js';

/** A value that stands outside of a dataset, as another part of the message has it. */
export interface BulkReference {
  /** Tags and item numbers from 0, as `toDicomJson` names them: "7FE00010", "54000100/0/54001010". */
  readonly path: string;
  /** As the dataset has it, absolute or not. */
  readonly uri: string;
}

export interface Part10Parts {
  /** Preamble, File Meta Information and the elements before the one left out: all where none is. */
  readonly before: readonly Uint8Array[];
  readonly after: readonly Uint8Array[];
  /** Memory that both hold beside the values that came for references. */
  readonly heldBytes: number;
}

/** Every reference of a dataset, those in items too. @throws {DicomWriteError} for one that stands for a sequence */
export function* bulkReferencesOf(dataset: DicomJson): Steps<BulkReference[]> {
  const found: BulkReference[] = [];
  yield* findReferences(dataset, '', found, new StepCount());
  return found;
}

function* findReferences(dataset: DicomJson, path: string, found: BulkReference[], count: StepCount): Steps<void> {
  // An item without elements is a step too, here and wherever datasets are gone through.
  if (count.isDue()) yield;
  for (const tag of Object.keys(dataset)) {
    if (count.isDue()) yield;
    const { vr = '', BulkDataURI: uri, Value: values = [] } = dataset[tag] ?? {};
    if (uri !== undefined) {
      if (vr === 'SQ') throw new DicomWriteError(`${tag} is a sequence, which is no bulk value`);
      found.push({ path: `${path}${tag}`, uri });
    } else if (vr === 'SQ') {
      for (const [i, item] of values.entries())
        yield* findReferences(itemOf(tag, item), `${path}${tag}/${String(i)}/`, found, count);
    }
  }
}

/**
 * A dataset of the DICOM JSON Model (PS3.18 F.2) as a PS3.10 file in Explicit VR Little Endian, or in a compressed
 * transfer syntax whose frames are among the values. Text is written in UTF-8, with (0008,0005) ISO_IR 192 when any of it
 * needs that; group 0002 of the dataset gives way to File Meta Information of our own, group lengths are left out.
 * Long values are not copied: of a file that holds them there is never a second one in memory.
 * @throws {DicomWriteError} when the dataset has no SOP UIDs, a tag that no dataset has (PS3.5 7.8.1, 7.5), a VR that is
 *   none (PS3.5 6.2), a value that does not fit its VR, or a reference without a value
 */
export function* writePart10(dataset: DicomJson, options: Part10Options): Steps<Part10Parts> {
  const { around, transferSyntaxUid } = options;
  const meta = writeFileMeta({
    sopClassUid: uidIn(dataset, '00080016'),
    sopInstanceUid: uidIn(dataset, '00080018'),
    transferSyntaxUid,
    implementationClassUid,
    implementationVersionName,
  });
  const writer = new CheckedWriter(options, yield* isAsciiText(dataset, options));
  const [before, after] = [new ByteBlocks(), new ByteBlocks()];
  before.push(meta);
  yield* writer.write(dataset, before, (tag) => around === undefined || tag < around);
  if (around !== undefined) yield* writer.write(dataset, after, (tag) => tag > around);
  return { before: before.pieces(), after: after.pieces(), heldBytes: before.ownBytes + after.ownBytes };
}

function uidIn(dataset: DicomJson, tag: Tag): string {
  const value = dataset[tag]?.Value?.[0];
  if (typeof value !== 'string' || !isUid(value)) throw new DicomWriteError(`${tag} holds no valid UID`);
  return value;
}

/** True for a VR whose value can be written with a length of 32 bits, and as it comes. */
export const isBulkVr = (vr: string): boolean => bulkVrs.has(vr) && longFormVrs.has(vr);

/** Largest value with an explicit length: even, and below 0xFFFFFFFF, which means none (PS3.5 7.1). */
const valueBytesMax = 0xfffffffe;

/**
 * What stands before a value of `byteCount` bytes (PS3.5 7.1.2); an odd one is followed by one zero.
 * @throws {DicomWriteError} when it is too long, or its VR is none of bulk data
 */
export function valueHead(tag: Tag, vr: string, byteCount: number): Uint8Array {
  if (!isBulkVr(vr)) throw new DicomWriteError(`${tag} (${vr}) is no bulk value`);
  if (byteCount > valueBytesMax) throw new DicomWriteError(`${tag} is longer than ${String(valueBytesMax)} bytes`);
  return elementHead(tag, vr, byteCount + (byteCount & 1));
}

/** Before encapsulated frames (PS3.5 A.4): undefined length, and a Basic Offset Table without entries. */
export const encapsulatedHead = (tag: Tag): Uint8Array =>
  Buffer.concat([elementHead(tag, 'OB', 0xffffffff), itemHead(0xe000, 0)]);

/** Before one fragment of `byteCount` bytes; an odd one is followed by one zero. @throws {DicomWriteError} too long */
export function fragmentHead(byteCount: number): Uint8Array {
  if (byteCount > valueBytesMax) throw new DicomWriteError('a fragment is too long');
  return itemHead(0xe000, byteCount + (byteCount & 1));
}

/** Sequence Delimitation Item. */
export const encapsulatedEnd: Uint8Array = itemHead(0xe0dd, 0);

function elementHead(tag: Tag, vr: string, length: number): Uint8Array {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt16LE(parseInt(tag.slice(0, 4), 16), 0);
  bytes.writeUInt16LE(parseInt(tag.slice(4), 16), 2);
  bytes.write(vr, 4, 'latin1');
  bytes.writeUInt32LE(length, 8);
  return bytes;
}

function itemHead(element: number, length: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(0xfffe, 0);
  bytes.writeUInt16LE(element, 2);
  bytes.writeUInt32LE(length, 4);
  return bytes;
}
