import { ImplicitVRLittleEndian, parseFile, writeFileMeta } from '@callosum/dicom';
import { newId, nameUid } from '@callosum/kernel';
import { tinySeries } from '@callosum/phantom';

export const mebi = 1024 * 1024;
/** Explicit VR: tag, VR, two reserved bytes, length (PS3.5 7.1.2). Implicit VR: tag and length (7.1.3). */
const pixelDataHeaderBytes = { explicit: 12, implicit: 8 } as const;
const chunk = Buffer.alloc(256 * 1024, 0x55);

/** An object of one slice with as much Pixel Data as is wanted, which is made while it is sent. */
export interface LargeObject {
  /** The whole file without the value of Pixel Data, its last element. */
  readonly head: Buffer;
  readonly pixelBytes: number;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
}

/** @param form `implicit` is rewritten for a client that does not ask for it as it is */
export function largeObject(pixelBytes: number, form: 'explicit' | 'implicit' = 'explicit'): LargeObject {
  const salt = newId();
  const [instance] = tinySeries({ salt, slices: 1, overrides: { PatientID: salt.slice(0, 16) } });
  if (!instance) throw new Error('a series has a slice');
  const bytes = Buffer.from(form === 'implicit' ? asImplicit(instance.bytes) : instance.bytes);
  const at = bytes.lastIndexOf(Buffer.from([0xe0, 0x7f, 0x10, 0x00]));
  const headerBytes = pixelDataHeaderBytes[form];
  const head = Buffer.from(bytes.subarray(0, at + headerBytes));
  head.writeUInt32LE(pixelBytes, at + headerBytes - 4);
  const { studyInstanceUid, seriesInstanceUid, sopInstanceUid } = instance;
  return { head, pixelBytes, studyInstanceUid, seriesInstanceUid, sopInstanceUid };
}

/** From an offset of the head on, in pieces of at most `chunkBytes`. */
export function* bytesOf(
  { head, pixelBytes }: LargeObject,
  chunkBytes = chunk.byteLength,
  from = 0,
): Generator<Buffer> {
  for (let at = from; at < head.byteLength; at += chunkBytes) yield head.subarray(at, at + chunkBytes);
  for (let left = pixelBytes; left > 0; left -= chunkBytes) yield chunk.subarray(0, Math.min(left, chunkBytes));
}

/** A flat dataset in Implicit VR Little Endian. */
function asImplicit(file: Uint8Array): Uint8Array {
  const { dataset } = parseFile(file);
  const meta = writeFileMeta({
    sopClassUid: dataset.string('SOPClassUID') ?? '',
    sopInstanceUid: dataset.string('SOPInstanceUID') ?? '',
    transferSyntaxUid: ImplicitVRLittleEndian,
    implementationClassUid: nameUid('implementation', 'bench'),
  });
  const elements = [...dataset].map(({ tag, value }) => {
    const header = Buffer.alloc(pixelDataHeaderBytes.implicit);
    header.writeUInt16LE(Number.parseInt(tag.slice(0, 4), 16), 0);
    header.writeUInt16LE(Number.parseInt(tag.slice(4), 16), 2);
    header.writeUInt32LE(value.byteLength, 4);
    return Buffer.concat([header, value]);
  });
  return Buffer.concat([meta, ...elements]);
}
