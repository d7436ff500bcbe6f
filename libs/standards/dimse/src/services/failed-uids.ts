import { deflateRawSync, inflateRawSync } from 'node:zlib';

import { transferSyntaxOf } from '@callosum/dicom';

/** Failed SOP Instance UID List (0008,0058), VR UI. */
const group = 0x0008;
const element = 0x0058;
/** A UI in explicit VR has a length of 16 bits, and an even one. */
const explicitBytesMax = 0xfffe;
const inflatedBytesMax = 16 * 1024 * 1024;

/**
 * An identifier with a Failed SOP Instance UID List alone (PS3.4 section C.4.2.1.4.2), in the context's transfer
 * syntax. In explicit VR it ends with the last UID that fits 65,534 bytes: some thousand.
 */
export function encodeFailedUids(uids: readonly string[], transferSyntaxUid: string): Buffer {
  const { implicitVr, bigEndian, deflated } = transferSyntaxOf(transferSyntaxUid);
  let text = uids.join('\\');
  if (!implicitVr && text.length > explicitBytesMax) text = text.slice(0, text.lastIndexOf('\\', explicitBytesMax));
  const value = Buffer.from(text.length % 2 === 0 ? text : `${text}\0`, 'latin1');
  const head = Buffer.alloc(8);
  if (bigEndian) {
    head.writeUInt16BE(group, 0);
    head.writeUInt16BE(element, 2);
  } else {
    head.writeUInt16LE(group, 0);
    head.writeUInt16LE(element, 2);
  }
  if (implicitVr) head.writeUInt32LE(value.length, 4);
  else {
    head.write('UI', 4, 'latin1');
    if (bigEndian) head.writeUInt16BE(value.length, 6);
    else head.writeUInt16LE(value.length, 6);
  }
  const identifier = Buffer.concat([head, value]);
  return deflated ? deflateRawSync(identifier) : identifier;
}

/** The list of such an identifier, which holds nothing else; empty when it cannot be read: then nothing is known. */
export function decodeFailedUids(identifier: Buffer, transferSyntaxUid: string): string[] {
  const { implicitVr, bigEndian, deflated } = transferSyntaxOf(transferSyntaxUid);
  const bytes = deflated ? inflated(identifier) : identifier;
  if (bytes.length < 8) return [];
  const tag = bigEndian
    ? [bytes.readUInt16BE(0), bytes.readUInt16BE(2)]
    : [bytes.readUInt16LE(0), bytes.readUInt16LE(2)];
  if (tag[0] !== group || tag[1] !== element) return [];
  const explicitLength = bigEndian ? bytes.readUInt16BE(6) : bytes.readUInt16LE(6);
  const length = implicitVr ? bytes.readUInt32LE(4) : explicitLength;
  const text = bytes.toString('latin1', 8, Math.min(bytes.length, 8 + length));
  return text
    .split('\\')
    .map((uid) => uid.replace(/[\0 ]+$/, ''))
    .filter((uid) => uid !== '');
}

function inflated(bytes: Buffer): Buffer {
  try {
    return inflateRawSync(bytes, { maxOutputLength: inflatedBytesMax });
  } catch {
    return Buffer.alloc(0);
  }
}
