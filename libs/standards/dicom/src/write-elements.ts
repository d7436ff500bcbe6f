import { isUid } from '@callosum/kernel';
import { DicomWriteError } from './errors.js';
import {
  type BytePieces,
  type DicomJson,
  type DicomJsonElement,
  type DicomJsonValue,
  type PersonName,
  personNameText,
} from './json.js';
import { toLittleEndian } from './parse/byte-order.js';
import type { Tag } from './tags.js';
import { binaryValue, decimalString } from './write-numbers.js';
import { isSingleText, longFormVrs, textVrs } from './vr.js';

/** How elements are put into bytes (PS3.5 7.1, Annex A). */
export interface ElementEncoding {
  readonly implicitVr: boolean;
  readonly bigEndian: boolean;
  /** UIDs are written as they are, also broken ones: what is repeated from a stored object is not made up here. */
  readonly anyUid?: boolean;
  /** The bytes of a text value, several values joined by a backslash, without padding. */
  text(text: string, vr: string): Uint8Array;
}

/**
 * The elements of a dataset in ascending order with even lengths; group lengths are left out, sequences and items have
 * explicit lengths.
 * Thrown when a value does not fit its VR: DicomWriteError.
 */
export function writeElements(dataset: DicomJson, encoding: ElementEncoding): Buffer {
  return Buffer.concat(elementPieces(dataset, encoding));
}

/** The same in pieces: a value that is bytes already is not copied. */
export function elementPieces(dataset: DicomJson, encoding: ElementEncoding): Uint8Array[] {
  const parts: Uint8Array[] = [];
  pushDataset(dataset, encoding, parts);
  return parts;
}

/** Bytes as pieces, however many they come in. */
export const piecesOf = (bytes: BytePieces): readonly Uint8Array[] => (bytes instanceof Uint8Array ? [bytes] : bytes);

function pushDataset(dataset: DicomJson, encoding: ElementEncoding, parts: Uint8Array[]): void {
  for (const tag of Object.keys(dataset).sort()) {
    const element = dataset[tag];
    if (!element || tag.endsWith('0000')) continue;
    if (!/^[0-9A-F]{8}$/.test(tag)) throw new DicomWriteError(`"${tag}" is no tag`);
    pushElement(tag, element, encoding, parts);
  }
}

function pushElement(tag: Tag, element: DicomJsonElement, encoding: ElementEncoding, parts: Uint8Array[]): void {
  if (element.fragments) {
    if (encoding.implicitVr || encoding.bigEndian)
      throw new DicomWriteError(`${tag} has fragments, which stand in Explicit VR Little Endian (PS3.5 A.4)`);
    parts.push(elementHead(tag, 'OB', 0xffffffff, encoding));
    for (const fragment of element.fragments) {
      const pieces = piecesOf(fragment);
      const byteCount = total(pieces);
      parts.push(itemHead(0xfffee000, byteCount + (byteCount & 1), false));
      pushAll(parts, pieces);
      pushPadding(parts, byteCount, 0);
    }
    parts.push(itemHead(0xfffee0dd, 0, false));
    return;
  }
  if (element.vr === 'SQ') {
    const inner: Uint8Array[] = [];
    for (const item of element.Value ?? []) {
      const body: Uint8Array[] = [];
      pushDataset(asItem(tag, item), encoding, body);
      inner.push(itemHead(0xfffee000, total(body), encoding.bigEndian));
      pushAll(inner, body);
    }
    parts.push(elementHead(tag, 'SQ', total(inner), encoding));
    pushAll(parts, inner);
    return;
  }
  const value = valuePieces(tag, element, encoding);
  const isText = textVrs.has(element.vr) && element.vr !== 'UI';
  const byteCount = total(value);
  const length = byteCount + (byteCount & 1);
  if (!encoding.implicitVr && !longFormVrs.has(element.vr) && length > 0xffff) {
    throw new DicomWriteError(`${tag} (${element.vr}) is longer than 65534 bytes`);
  }
  parts.push(elementHead(tag, element.vr, length, encoding));
  pushAll(parts, value);
  pushPadding(parts, byteCount, isText ? 0x20 : 0);
}

/** One by one: as arguments of one call they are too many from some 10,000 items on. */
function pushAll(parts: Uint8Array[], more: readonly Uint8Array[]): void {
  for (const part of more) parts.push(part);
}

function asItem(tag: Tag, item: DicomJsonValue): DicomJson {
  if (item === null) return {};
  if (typeof item !== 'object') throw new DicomWriteError(`${tag} is a sequence: its values are items`);
  return item as DicomJson;
}

export const total = (parts: readonly Uint8Array[]): number => parts.reduce((sum, part) => sum + part.length, 0);
const nothing = new Uint8Array(0);

function pushPadding(parts: Uint8Array[], length: number, byte: number): void {
  if ((length & 1) === 1) parts.push(Uint8Array.of(byte));
}

export function elementHead(
  tag: Tag,
  vr: string,
  length: number,
  { implicitVr, bigEndian }: ElementEncoding,
): Uint8Array {
  const isLong = !implicitVr && longFormVrs.has(vr);
  const bytes = new Uint8Array(isLong ? 12 : 8);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, parseInt(tag.slice(0, 4), 16), !bigEndian);
  view.setUint16(2, parseInt(tag.slice(4), 16), !bigEndian);
  if (implicitVr) {
    view.setUint32(4, length, !bigEndian);
    return bytes;
  }
  bytes[4] = vr.charCodeAt(0);
  bytes[5] = vr.charCodeAt(1);
  if (isLong) view.setUint32(8, length, !bigEndian);
  else view.setUint16(6, length, !bigEndian);
  return bytes;
}

export function itemHead(tag: number, length: number, bigEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, tag >>> 16, !bigEndian);
  view.setUint16(2, tag & 0xffff, !bigEndian);
  view.setUint32(4, length, !bigEndian);
  return bytes;
}

export function valuePieces(tag: Tag, element: DicomJsonElement, encoding: ElementEncoding): readonly Uint8Array[] {
  const { vr, pieces } = element;
  if (!pieces) return [valueBytes(tag, element, encoding)];
  // A word may lie in two of them.
  return encoding.bigEndian ? [toLittleEndian(vr, Buffer.concat(pieces))] : pieces;
}

function valueBytes(tag: Tag, element: DicomJsonElement, encoding: ElementEncoding): Uint8Array {
  const { vr } = element;
  // The other order is as many bytes the other way round: the same exchange both ways.
  const ordered = (bytes: Uint8Array): Uint8Array => (encoding.bigEndian ? toLittleEndian(vr, bytes) : bytes);
  if (element.bytes) return ordered(element.bytes);
  if (element.InlineBinary !== undefined) return ordered(Buffer.from(element.InlineBinary, 'base64'));
  if (element.BulkDataURI !== undefined) throw new DicomWriteError(`${tag} has a bulk data URI and no value`);
  const values = element.Value ?? [];
  if (values.length === 0) return nothing;
  if (textVrs.has(vr)) {
    const isChecked = vr === 'UI' && encoding.anyUid !== true;
    return encoding.text(values.map((value) => textOf(tag, vr, value, isChecked)).join('\\'), vr);
  }
  return ordered(binaryValue(tag, vr, values));
}

function textOf(tag: Tag, vr: string, value: DicomJsonValue, isChecked: boolean): string {
  if (value === null) return '';
  if (vr === 'PN') return typeof value === 'string' ? value : personNameText(value as PersonName);
  if (typeof value === 'object') throw new DicomWriteError(`${tag} (${vr}) takes no object`);
  if (typeof value === 'number') return vr === 'DS' ? decimalString(value) : String(value);
  if (isChecked && value.length > 0 && !isUid(value))
    throw new DicomWriteError(`${tag} holds no valid UID (PS3.5 9.1)`);
  if (value.includes('\\') && !isSingleText(vr)) throw new DicomWriteError(`${tag} (${vr}) holds a backslash`);
  return value;
}
