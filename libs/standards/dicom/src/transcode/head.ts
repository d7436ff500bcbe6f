import { DicomParseError } from '../errors.js';
import type { Encoding, Head } from '../parse/cursor.js';
import { HeadReader } from '../parse/head-reader.js';
import type { Tag } from '../tags.js';
import { longFormVrs } from '../vr.js';
import { truncated } from './byte-stream.js';

export { headBytesMax, itemDelimiter, itemTag, sequenceDelimiter, undefinedLength } from '../parse/head-reader.js';

/** The head at the start of the bytes and how long it is. Thrown when they are too few: DicomParseError. */
export function readHead(
  bytes: Uint8Array,
  encoding: Encoding,
  signed: boolean,
): Head & { readonly byteCount: number } {
  const reader = new HeadReader(bytes, 0);
  const head = reader.element(encoding, signed);
  if (!head) throw truncated();
  return { ...head, byteCount: reader.position };
}

/** Head of an item or delimiter. Errors as `readHead`. */
export function readItemHead(bytes: Uint8Array, encoding: Encoding): { readonly tag: Tag; readonly length: number } {
  const head = new HeadReader(bytes, 0).item(encoding);
  if (!head) throw truncated();
  return head;
}

/** The longest value whose length has 16 bits: an even one. */
const shortLengthMax = 0xfffe;

/**
 * A VR that can hold a value of this length in Explicit VR: what Implicit VR lengths allow and the VR does not is UN
 * (PS3.5 6.2.2 note 2).
 */
export const explicitVr = (vr: string, length: number): string =>
  longFormVrs.has(vr) || length <= shortLengthMax ? vr : 'UN';

/** The head of an element (PS3.5 7.1.2, 7.1.3). @param length even, or `undefinedLength` */
export function writeHead(tag: Tag, vr: string, length: number, { implicitVr, bigEndian }: Encoding): Uint8Array {
  const isLong = !implicitVr && longFormVrs.has(vr);
  const bytes = new Uint8Array(isLong ? 12 : 8);
  const view = new DataView(bytes.buffer);
  const little = !bigEndian;
  view.setUint16(0, parseInt(tag.slice(0, 4), 16), little);
  view.setUint16(2, parseInt(tag.slice(4), 16), little);
  if (implicitVr) {
    view.setUint32(4, length, little);
    return bytes;
  }
  if (vr.length !== 2) throw new DicomParseError(`${tag} has no VR`);
  bytes[4] = vr.charCodeAt(0);
  bytes[5] = vr.charCodeAt(1);
  if (isLong) view.setUint32(8, length, little);
  else view.setUint16(6, length, little);
  return bytes;
}

/** The head of an item, or a delimiter (PS3.5 7.5). */
export function writeItemHead(tag: Tag, length: number, bigEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, parseInt(tag.slice(0, 4), 16), !bigEndian);
  view.setUint16(2, parseInt(tag.slice(4), 16), !bigEndian);
  view.setUint32(4, length, !bigEndian);
  return bytes;
}
