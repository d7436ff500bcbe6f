import { deflateRawSync, inflateRawSync } from 'node:zlib';

import { transferSyntaxOf } from '@callosum/dicom';
import { withoutEnd } from '@callosum/kernel';

/** Failed SOP Instance UID List (0008,0058), VR UI. */
const group = 0x0008;
const element = 0x0058;
/** A UI in explicit VR has a length of 16 bits, and an even one. What is longer goes as UN, whose length has 32 (PS3.5 6.2.2). */
const explicitBytesMax = 0xfffe;
const inflatedBytesMax = 16 * 1024 * 1024;

/**
 * An identifier with a Failed SOP Instance UID List alone (PS3.4 section C.4.2.1.4.2), in the context's transfer
 * syntax.
 */
export function encodeFailedUids(uids: readonly string[], transferSyntaxUid: string): Buffer {
  const { implicitVr, bigEndian, deflated } = transferSyntaxOf(transferSyntaxUid);
  const text = uids.join('\\');
  const value = Buffer.from(text.length % 2 === 0 ? text : `${text}\0`, 'latin1');
  const head = headOf(value.length, implicitVr, bigEndian);
  const identifier = Buffer.concat([head, value]);
  return deflated ? deflateRawSync(identifier) : identifier;
}

function headOf(valueBytes: number, implicitVr: boolean, bigEndian: boolean): Buffer {
  const isUnknown = !implicitVr && valueBytes > explicitBytesMax;
  const head = Buffer.alloc(isUnknown ? 12 : 8);
  const uint16 = (value: number, at: number): unknown =>
    bigEndian ? head.writeUInt16BE(value, at) : head.writeUInt16LE(value, at);
  const uint32 = (value: number, at: number): unknown =>
    bigEndian ? head.writeUInt32BE(value, at) : head.writeUInt32LE(value, at);
  uint16(group, 0);
  uint16(element, 2);
  if (implicitVr) uint32(valueBytes, 4);
  else head.write(isUnknown ? 'UN' : 'UI', 4, 'latin1');
  if (isUnknown) uint32(valueBytes, 8);
  else if (!implicitVr) uint16(valueBytes, 6);
  return head;
}

/** The list of such an identifier, which holds nothing else; empty when it cannot be read: then nothing is known. */
export function decodeFailedUids(identifier: Buffer, transferSyntaxUid: string): string[] {
  const { implicitVr, bigEndian, deflated } = transferSyntaxOf(transferSyntaxUid);
  const bytes = deflated ? inflated(identifier) : identifier;
  if (bytes.length < 8) return [];
  const uint16 = (at: number): number => (bigEndian ? bytes.readUInt16BE(at) : bytes.readUInt16LE(at));
  const uint32 = (at: number): number => (bigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at));
  if (uint16(0) !== group || uint16(2) !== element) return [];
  const isUnknown = !implicitVr && bytes.toString('latin1', 4, 6) === 'UN';
  if (isUnknown && bytes.length < 12) return [];
  const from = isUnknown ? 12 : 8;
  const length = implicitVr || isUnknown ? uint32(from - 4) : uint16(6);
  const text = bytes.toString('latin1', from, Math.min(bytes.length, from + length));
  return text
    .split('\\')
    .map((uid) => withoutEnd(uid, '\0 '))
    .filter((uid) => uid !== '');
}

function inflated(bytes: Buffer): Buffer {
  try {
    return inflateRawSync(bytes, { maxOutputLength: inflatedBytesMax });
  } catch {
    return Buffer.alloc(0);
  }
}
