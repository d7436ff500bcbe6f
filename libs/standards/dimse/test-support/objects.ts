// Small DICOM objects for tests, written by hand so that every byte is known.
export const ctImageStorage = '1.2.840.10008.5.1.4.1.1.2';
export const explicitVrLittleEndian = '1.2.840.10008.1.2.1';

export function element(group: number, number: number, vr: string, value: string | Buffer): Buffer {
  const raw = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  const padded =
    raw.length % 2 === 0 ? raw : Buffer.concat([raw, Buffer.from(vr === 'UI' || vr === 'OB' ? '\0' : ' ')]);
  const long = ['OB', 'OW', 'UN', 'SQ', 'UT'].includes(vr);
  const head = Buffer.alloc(long ? 12 : 8);
  head.writeUInt16LE(group, 0);
  head.writeUInt16LE(number, 2);
  head.write(vr, 4, 'latin1');
  if (long) head.writeUInt32LE(padded.length, 8);
  else head.writeUInt16LE(padded.length, 6);
  return Buffer.concat([head, padded]);
}

export interface ObjectOptions {
  readonly sopInstanceUid?: string;
  readonly studyInstanceUid?: string;
  readonly transferSyntaxUid?: string;
  readonly pixelBytes?: number;
}

/** A dataset in Explicit VR Little Endian with a private group. */
export function dataset({
  sopInstanceUid = '1.2.3.4.5',
  studyInstanceUid = '1.2.3',
  pixelBytes = 512,
}: ObjectOptions = {}): Buffer {
  return Buffer.concat([
    element(0x0008, 0x0016, 'UI', ctImageStorage),
    element(0x0008, 0x0018, 'UI', sopInstanceUid),
    element(0x0008, 0x0060, 'CS', 'CT'),
    element(0x0009, 0x0010, 'LO', 'ACME PRIVATE'),
    element(0x0009, 0x1001, 'UN', Buffer.from([1, 2, 3, 254])),
    element(0x0010, 0x0010, 'PN', 'Nobody^Test'),
    element(0x0010, 0x0020, 'LO', 'NOBODY-1'),
    element(0x0020, 0x000d, 'UI', studyInstanceUid),
    element(0x0020, 0x000e, 'UI', `${studyInstanceUid}.1`),
    element(0x7fe0, 0x0010, 'OW', Buffer.alloc(pixelBytes, 7)),
  ]);
}

/** The dataset as a DICOM file. */
export function part10(options: ObjectOptions = {}): Buffer {
  const meta = Buffer.concat([
    element(0x0002, 0x0001, 'OB', Buffer.from([0, 1])),
    element(0x0002, 0x0002, 'UI', ctImageStorage),
    element(0x0002, 0x0003, 'UI', options.sopInstanceUid ?? '1.2.3.4.5'),
    element(0x0002, 0x0010, 'UI', options.transferSyntaxUid ?? explicitVrLittleEndian),
    element(0x0002, 0x0012, 'UI', '1.2.3.4'),
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(meta.length);
  return Buffer.concat([
    Buffer.alloc(128),
    Buffer.from('DICM'),
    element(0x0002, 0x0000, 'UL', length),
    meta,
    dataset(options),
  ]);
}
