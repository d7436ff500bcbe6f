import { isUid } from '@callosum/kernel';
import { DicomWriteError } from './errors.js';
import { implementationClassUid, implementationVersionName } from './implementation.js';
import type { BytePieces, DicomJson, DicomJsonElement, DicomJsonValue, PersonName } from './json.js';
import type { Tag } from './tags.js';
import { allVrs, bulkVrs, longFormVrs } from './vr.js';
import { writeFileMeta } from './write.js';
import { elementPieces, piecesOf } from './write-elements.js';

/** A value that stands outside of a dataset, as another part of the message has it. */
export interface BulkReference {
  /** Tags and item numbers from 0, as `toDicomJson` names them: "7FE00010", "54000100/0/54001010". */
  readonly path: string;
  /** As the dataset has it, absolute or not. */
  readonly uri: string;
}

/** What came for a reference: the bytes of the value in little-endian order, or encapsulated frames, one fragment each. */
export type BulkValue = { readonly bytes: BytePieces } | { readonly frames: readonly BytePieces[] };

export interface Part10Options {
  readonly transferSyntaxUid: string;
  /** By path. Where a reference has none, `DicomWriteError`. */
  readonly values?: ReadonlyMap<string, BulkValue>;
  /** An element of the dataset itself that is left out, since its value is written between the two parts. */
  readonly around?: Tag;
}

/** Each is to be gone through once: it is made while it is. */
export interface Part10Parts {
  /** Preamble, File Meta Information and the elements before the one left out: all where none is. */
  readonly before: Iterable<Uint8Array>;
  readonly after: Iterable<Uint8Array>;
}

/** Every reference of a dataset, those in items too. @throws {DicomWriteError} for one that stands for a sequence */
export function bulkReferencesOf(dataset: DicomJson, path = ''): BulkReference[] {
  const found: BulkReference[] = [];
  for (const [tag, { vr, BulkDataURI: uri, Value: values }] of Object.entries(dataset)) {
    if (uri !== undefined) {
      if (vr === 'SQ') throw new DicomWriteError(`${tag} is a sequence, which is no bulk value`);
      found.push({ path: `${path}${tag}`, uri });
    } else if (vr === 'SQ') {
      for (const [i, item] of (values ?? []).entries())
        for (const one of bulkReferencesOf(itemOf(tag, item), `${path}${tag}/${String(i)}/`)) found.push(one);
    }
  }
  return found;
}

/**
 * A dataset of the DICOM JSON Model (PS3.18 F.2) as a PS3.10 file in Explicit VR Little Endian, or in a compressed
 * transfer syntax whose frames are among the values. Text is written in UTF-8, with (0008,0005) ISO_IR 192 when any of it
 * needs that; group 0002 of the dataset gives way to File Meta Information of our own, group lengths are left out.
 * Long values are not copied: of a file that holds them there is never a second one in memory.
 * @throws {DicomWriteError} when the dataset has no SOP UIDs, a tag that no dataset has (PS3.5 7.8.1, 7.5), a VR that is
 *   none (PS3.5 6.2), a value that does not fit its VR, or a reference without a value
 */
export function writePart10(dataset: DicomJson, options: Part10Options): Part10Parts {
  const checked = new CheckedDataset(dataset, options);
  const meta = writeFileMeta({
    sopClassUid: uidIn(dataset, '00080016'),
    sopInstanceUid: uidIn(dataset, '00080018'),
    transferSyntaxUid: options.transferSyntaxUid,
    implementationClassUid,
    implementationVersionName,
  });
  const { around } = options;
  const part = (isIn: (tag: Tag) => boolean): Uint8Array[] =>
    elementPieces(
      Object.fromEntries(Object.entries(checked.dataset).filter(([tag]) => isIn(tag))),
      explicitLittleEndian,
    );
  return around === undefined
    ? {
        before: joined(
          meta,
          part(() => true),
        ),
        after: [],
      }
    : {
        before: joined(
          meta,
          part((tag) => tag < around),
        ),
        after: joined(
          nothing,
          part((tag) => tag > around),
        ),
      };
}

const nothing = new Uint8Array(0);
/** Smaller pieces are written together: an element is two or three of a few bytes. */
const joinedBytes = 64 * 1024;

function* joined(first: Uint8Array, others: readonly Uint8Array[]): Generator<Uint8Array> {
  let small: Uint8Array[] = [first];
  let smallBytes = first.length;
  for (const piece of others) {
    if (smallBytes > 0 && smallBytes + piece.length > joinedBytes) {
      yield Buffer.concat(small);
      [small, smallBytes] = [[], 0];
    }
    if (piece.length > joinedBytes) yield piece;
    else {
      small.push(piece);
      smallBytes += piece.length;
    }
  }
  if (smallBytes > 0) yield Buffer.concat(small);
}

const explicitLittleEndian = {
  implicitVr: false,
  bigEndian: false,
  // What others issued is kept as it is, as in a file; those of the object itself are looked at apart.
  anyUid: true,
  text: (text: string): Uint8Array => Buffer.from(text, 'utf8'),
};

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

/** Groups that no dataset has: commands, and what PS3.5 7.8.1 keeps free; items and delimiters (7.5) would end it. */
const forbiddenGroups: ReadonlySet<string> = new Set(['0000', '0001', '0003', '0005', '0007', 'FFFE', 'FFFF']);
const characterSetTag = '00080005';

/** A dataset of outside, looked at element by element, with what came for its references. */
class CheckedDataset {
  readonly dataset: DicomJson;
  #isAscii = true;

  constructor(
    source: DicomJson,
    private readonly options: Part10Options,
  ) {
    const dataset = this.#checked(source, '', true);
    // The text was UTF-8 whatever the object says it was (F.2.2), and items inherit what stands above them.
    this.dataset = this.#isAscii ? dataset : { ...dataset, [characterSetTag]: { vr: 'CS', Value: ['ISO_IR 192'] } };
  }

  #checked(source: DicomJson, path: string, isTop: boolean): DicomJson {
    const dataset: DicomJson = {};
    for (const [tag, element] of Object.entries(source)) {
      const group = tag.slice(0, 4);
      if (tag.endsWith('0000') || (isTop && group === '0002')) continue;
      if (forbiddenGroups.has(group) || group === '0002') throw new DicomWriteError(`${tag} is no tag of a dataset`);
      if (!isTop && tag === characterSetTag) continue;
      if (isTop && tag === this.options.around) continue;
      dataset[tag] = this.#element(tag, element, `${path}${tag}`);
    }
    return dataset;
  }

  #element(tag: Tag, element: DicomJsonElement, path: string): DicomJsonElement {
    const { vr, Value: values, InlineBinary: inline, BulkDataURI: uri } = element;
    if (!allVrs.has(vr)) throw new DicomWriteError(`${tag} has a VR that is none (PS3.5 6.2)`);
    if (uri !== undefined) return this.#value(tag, vr, path);
    if (inline !== undefined) return inlineElement(tag, vr, inline);
    if (values === undefined) return { vr };
    if (vr === 'SQ') {
      const items = values.map((item, i) => this.#checked(itemOf(tag, item), `${path}/${String(i)}/`, false));
      return { vr, Value: items };
    }
    this.#isAscii &&= values.every(isAscii);
    return { vr, Value: values };
  }

  #value(tag: Tag, vr: string, path: string): DicomJsonElement {
    const value = this.options.values?.get(path);
    if (!value) throw new DicomWriteError(`${tag} has a bulk data URI and no value`);
    // What stands there is as it was stored: not looked into, unless it may be text.
    if ('frames' in value) return { vr: 'OB', fragments: [nothing, ...value.frames] };
    const pieces = piecesOf(value.bytes);
    if (!bulkVrs.has(vr)) this.#isAscii &&= pieces.every((piece) => piece.every((byte) => byte < 0x80));
    return { vr, pieces };
  }
}

function inlineElement(tag: Tag, vr: string, inline: string): DicomJsonElement {
  if (!bulkVrs.has(vr)) throw new DicomWriteError(`${tag} (${vr}) is not written in base64 (PS3.18 F.2.2)`);
  // `Buffer.from` would skip what is no base64, and the value would be another.
  if (inline.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(inline))
    throw new DicomWriteError(`${tag} holds no base64 (RFC 4648 4)`);
  return { vr, InlineBinary: inline };
}

function itemOf(tag: Tag, item: DicomJsonValue): DicomJson {
  if (item === null) return {};
  if (typeof item !== 'object') throw new DicomWriteError(`${tag} is a sequence: its values are items`);
  return item as DicomJson;
}

function isAscii(value: DicomJsonValue): boolean {
  if (typeof value === 'string') return !/[^\x00-\x7f]/.test(value);
  return value === null || typeof value === 'number' || Object.values(value as PersonName).every(isAscii);
}
