import { isUid } from '@callosum/kernel';
import { DicomWriteError } from './errors.js';
import { personNameText, type DicomJson, type DicomJsonElement, type DicomJsonValue, type PersonName } from './json.js';
import { ExplicitVRLittleEndian } from './transfer-syntax.js';
import type { Tag } from './tags.js';
import { longFormVrs, textVrs } from './vr.js';

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
  const parts: Uint8Array[] = [];
  pushDataset(needsUnicode ? { ...dataset, '00080005': { vr: 'CS', Value: ['ISO_IR 192'] } } : dataset, parts);
  return Buffer.concat(parts);
}

function pushDataset(dataset: DicomJson, parts: Uint8Array[]): void {
  for (const tag of Object.keys(dataset).sort()) {
    const element = dataset[tag];
    if (!element || tag.endsWith('0000')) continue;
    if (!/^[0-9A-F]{8}$/.test(tag)) throw new DicomWriteError(`"${tag}" is no tag`);
    pushElement(tag, element, parts);
  }
}

function pushElement(tag: Tag, element: DicomJsonElement, parts: Uint8Array[]): void {
  if (element.fragments) {
    parts.push(head(tag, 'OB', 0xffffffff));
    for (const fragment of element.fragments)
      parts.push(itemHead(0xfffee000, fragment.length + (fragment.length & 1)), fragment, pad(fragment.length, 0));
    parts.push(itemHead(0xfffee0dd, 0));
    return;
  }
  if (element.vr === 'SQ') {
    const inner: Uint8Array[] = [];
    for (const item of element.Value ?? []) {
      const body: Uint8Array[] = [];
      pushDataset(asItem(tag, item), body);
      inner.push(itemHead(0xfffee000, total(body)), ...body);
    }
    parts.push(head(tag, 'SQ', total(inner)), ...inner);
    return;
  }
  const value = valueBytes(tag, element);
  const isText = textVrs.has(element.vr) && element.vr !== 'UI';
  const length = value.length + (value.length & 1);
  if (!longFormVrs.has(element.vr) && length > 0xffff) {
    throw new DicomWriteError(`${tag} (${element.vr}) is longer than 65534 bytes`);
  }
  parts.push(head(tag, element.vr, length), value, pad(value.length, isText ? 0x20 : 0));
}

function asItem(tag: Tag, item: DicomJsonValue): DicomJson {
  if (item === null) return {};
  if (typeof item !== 'object') throw new DicomWriteError(`${tag} is a sequence: its values are items`);
  return item as DicomJson;
}

const total = (parts: readonly Uint8Array[]): number => parts.reduce((sum, part) => sum + part.length, 0);
const nothing = new Uint8Array(0);
const pad = (length: number, byte: number): Uint8Array => ((length & 1) === 0 ? nothing : Uint8Array.of(byte));

function head(tag: Tag, vr: string, length: number): Uint8Array {
  const isLong = longFormVrs.has(vr);
  const bytes = Buffer.alloc(isLong ? 12 : 8);
  bytes.writeUInt16LE(parseInt(tag.slice(0, 4), 16), 0);
  bytes.writeUInt16LE(parseInt(tag.slice(4), 16), 2);
  bytes.write(vr, 4, 'latin1');
  if (isLong) bytes.writeUInt32LE(length, 8);
  else bytes.writeUInt16LE(length, 6);
  return bytes;
}

function itemHead(tag: number, length: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(tag >>> 16, 0);
  bytes.writeUInt16LE(tag & 0xffff, 2);
  bytes.writeUInt32LE(length, 4);
  return bytes;
}

function valueBytes(tag: Tag, element: DicomJsonElement): Uint8Array {
  if (element.bytes) return element.bytes;
  if (element.InlineBinary !== undefined) return Buffer.from(element.InlineBinary, 'base64');
  if (element.BulkDataURI !== undefined) throw new DicomWriteError(`${tag} has a bulk data URI and no value`);
  const values = element.Value ?? [];
  if (values.length === 0) return nothing;
  if (textVrs.has(element.vr))
    return Buffer.from(values.map((value) => textOf(tag, element.vr, value)).join('\\'), 'utf8');
  return binaryOf(tag, element.vr, values);
}

function textOf(tag: Tag, vr: string, value: DicomJsonValue): string {
  if (value === null) return '';
  if (vr === 'PN') return typeof value === 'string' ? value : personNameText(value as PersonName);
  if (typeof value === 'object') throw new DicomWriteError(`${tag} (${vr}) takes no object`);
  if (typeof value === 'number') return vr === 'DS' ? decimalString(value) : String(value);
  if (vr === 'UI' && value.length > 0 && !isUid(value))
    throw new DicomWriteError(`${tag} holds no valid UID (PS3.5 9.1)`);
  if (value.includes('\\') && !['LT', 'ST', 'UT', 'UR'].includes(vr))
    throw new DicomWriteError(`${tag} (${vr}) holds a backslash`);
  return value;
}

/**
 * A number as DS: at most 16 characters (PS3.5 6.2), with as many digits as fit.
 * Thrown when it is not finite: DicomWriteError.
 */
export function decimalString(value: number): string {
  if (!Number.isFinite(value)) throw new DicomWriteError('A DS value is finite');
  const shortest = String(value);
  if (shortest.length <= 16) return shortest;
  for (let digits = 16; digits > 0; digits--) {
    const text = String(Number(value.toPrecision(digits)));
    if (text.length <= 16) return text;
    const exponential = value.toExponential(digits - 1);
    if (exponential.length <= 16) return exponential;
  }
  throw new DicomWriteError('A number does not fit DS');
}

interface Codec {
  readonly size: number;
  readonly min: number;
  readonly max: number;
  write(buffer: Buffer, value: number, at: number): void;
}
const codecs: Readonly<Record<string, Codec>> = {
  US: { size: 2, min: 0, max: 0xffff, write: (b, v, at) => b.writeUInt16LE(v, at) },
  SS: { size: 2, min: -0x8000, max: 0x7fff, write: (b, v, at) => b.writeInt16LE(v, at) },
  UL: { size: 4, min: 0, max: 0xffffffff, write: (b, v, at) => b.writeUInt32LE(v, at) },
  SL: { size: 4, min: -0x80000000, max: 0x7fffffff, write: (b, v, at) => b.writeInt32LE(v, at) },
  FL: { size: 4, min: -Infinity, max: Infinity, write: (b, v, at) => b.writeFloatLE(v, at) },
  FD: { size: 8, min: -Infinity, max: Infinity, write: (b, v, at) => b.writeDoubleLE(v, at) },
};
const notFinite: Readonly<Record<string, number>> = { NaN: Number.NaN, inf: Infinity, '-inf': -Infinity };

function binaryOf(tag: Tag, vr: string, values: readonly DicomJsonValue[]): Uint8Array {
  if (vr === 'AT') return Buffer.concat(values.map((value) => attributeTag(tag, value)));
  if (vr === 'SV' || vr === 'UV') return Buffer.concat(values.map((value) => wide(tag, vr, value)));
  const codec = codecs[vr];
  if (!codec) throw new DicomWriteError(`${tag} (${vr}) needs bytes`);
  const buffer = Buffer.alloc(values.length * codec.size);
  values.forEach((value, i) => {
    const number =
      typeof value === 'string' ? (notFinite[value] ?? (value.trim() === '' ? Number.NaN : Number(value))) : value;
    const isFloat = vr === 'FL' || vr === 'FD';
    if (
      typeof number !== 'number' ||
      (!isFloat && !Number.isInteger(number)) ||
      number < codec.min ||
      number > codec.max
    ) {
      throw new DicomWriteError(`${tag} (${vr}) holds a value out of range`);
    }
    codec.write(buffer, number, i * codec.size);
  });
  return buffer;
}

function attributeTag(tag: Tag, value: DicomJsonValue): Uint8Array {
  if (typeof value !== 'string' || !/^[0-9A-Fa-f]{8}$/.test(value))
    throw new DicomWriteError(`${tag} (AT) needs eight hex digits`);
  const buffer = Buffer.alloc(4);
  buffer.writeUInt16LE(parseInt(value.slice(0, 4), 16), 0);
  buffer.writeUInt16LE(parseInt(value.slice(4), 16), 2);
  return buffer;
}

function wide(tag: Tag, vr: 'SV' | 'UV', value: DicomJsonValue): Uint8Array {
  if ((typeof value !== 'string' && typeof value !== 'number') || !/^-?\d+$/.test(String(value)))
    throw new DicomWriteError(`${tag} (${vr}) needs an integer`);
  const integer = BigInt(value);
  const limit = vr === 'SV' ? BigInt.asIntN(64, integer) : BigInt.asUintN(64, integer);
  if (limit !== integer) throw new DicomWriteError(`${tag} (${vr}) holds a value out of range`);
  const buffer = Buffer.alloc(8);
  if (vr === 'SV') buffer.writeBigInt64LE(integer);
  else buffer.writeBigUInt64LE(integer);
  return buffer;
}

function hasNonAscii(dataset: DicomJson): boolean {
  return Object.values(dataset).some(({ Value }) => (Value ?? []).some(valueHasNonAscii));
}

function valueHasNonAscii(value: DicomJsonValue): boolean {
  if (typeof value === 'string') return /[^\x00-\x7f]/.test(value);
  if (value === null || typeof value === 'number') return false;
  const isName = Object.keys(value).some((key) => !/^[0-9A-F]{8}$/.test(key));
  return isName ? Object.values(value as PersonName).some(valueHasNonAscii) : hasNonAscii(value as DicomJson);
}
