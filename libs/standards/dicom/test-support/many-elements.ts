// Headers of many elements, of which every byte is written here: little to send, much to hold.
const undefinedLength = 0xffffffff;
const longVrs = ['OB', 'OW', 'SQ', 'UN'];

/** The head of an element in Explicit VR Little Endian. */
function head(tag: number, vr: string, length: number): Buffer {
  const bytes = Buffer.alloc(longVrs.includes(vr) ? 12 : 8);
  bytes.writeUInt16LE(tag >>> 16, 0);
  bytes.writeUInt16LE(tag & 0xffff, 2);
  bytes.write(vr, 4, 'latin1');
  if (longVrs.includes(vr)) bytes.writeUInt32LE(length, 8);
  else bytes.writeUInt16LE(length, 6);
  return bytes;
}

export const text = (tag: number, vr: string, value: string): Buffer =>
  Buffer.concat([head(tag, vr, value.length), Buffer.from(value, 'latin1')]);

function delimiter(number: number, length: number): Buffer {
  const bytes = Buffer.from([0xfe, 0xff, 0, 0, 0, 0, 0, 0]);
  bytes.writeUInt16LE(number, 2);
  bytes.writeUInt32LE(length, 4);
  return bytes;
}
export const item = (...content: Buffer[]): Buffer =>
  Buffer.concat([delimiter(0xe000, undefinedLength), ...content, delimiter(0xe00d, 0)]);
export const sequence = (tag: number, ...items: Buffer[]): Buffer =>
  Buffer.concat([head(tag, 'SQ', undefinedLength), ...items, delimiter(0xe0dd, 0)]);

/** Functional groups of one tile of a TILED_SPARSE slide image (PS3.3 C.8.12.14). */
const frame = item(
  sequence(0x00209111, item(Buffer.concat([head(0x00209157, 'UL', 8), Buffer.alloc(8, 1)]))),
  sequence(
    0x0048021a,
    item(
      text(0x0040072a, 'DS', '12.5'),
      text(0x0040073a, 'DS', '7.25'),
      Buffer.concat([head(0x0048021e, 'SL', 4), Buffer.alloc(4, 1)]),
      Buffer.concat([head(0x0048021f, 'SL', 4), Buffer.alloc(4, 1)]),
    ),
  ),
);

const repeated = (bytes: Buffer, count: number): Buffer => Buffer.alloc(bytes.length * count, bytes);

/** Per-Frame Functional Groups Sequence of so many tiles. */
export const framesOf = (count: number): Buffer =>
  Buffer.concat([head(0x52009230, 'SQ', undefinedLength), repeated(frame, count), delimiter(0xe0dd, 0)]);

/** Functional groups of a frame of a dynamic enhanced PET: a window, and a rescale of its own (PS3.3 C.7.6.16.2.9). */
export const rescaled = (slope: number): Buffer =>
  Buffer.concat([
    sequence(0x00289132, item(text(0x00281050, 'DS', '50'), text(0x00281051, 'DS', '101 '))),
    sequence(
      0x00289145,
      item(text(0x00281052, 'DS', '0 '), text(0x00281053, 'DS', slope.toFixed(6)), text(0x00281054, 'LO', 'US')),
    ),
  ]);

/** Per-Frame Functional Groups Sequence of so many frames, each with a slope of its own below 10. */
export const rescaledFramesOf = (count: number, slopeOf: (number: number) => number): Buffer =>
  sequence(0x52009230, ...Array.from({ length: count }, (_, i) => item(rescaled(slopeOf(i + 1)))));

/** A private sequence of so many items that hold nothing. */
export const emptyItems = (count: number): Buffer =>
  Buffer.concat([head(0x00291010, 'SQ', undefinedLength), repeated(item(), count), delimiter(0xe0dd, 0)]);

/** So many private elements without a value, outside of any sequence. */
export function emptyElements(count: number): Buffer {
  const bytes = Buffer.alloc(count * 8);
  for (let i = 0; i < count; i++) head(((0x0031 + 2 * (i >>> 15)) << 16) | (i & 0x7fff), 'LO', 0).copy(bytes, i * 8);
  return bytes;
}

/** Where these stand between the identity and the pixels of an image. */
export const pixels = (byteCount: number): Buffer =>
  Buffer.concat([head(0x7fe00010, 'OW', byteCount), Buffer.alloc(byteCount, 7)]);

export const identity = (uids: {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
}): Buffer =>
  Buffer.concat([
    text(0x00080016, 'UI', uids.sopClassUid),
    text(0x00080018, 'UI', uids.sopInstanceUid),
    text(0x00100010, 'PN', 'Nobody^Test '),
    text(0x0020000d, 'UI', uids.studyInstanceUid),
    text(0x0020000e, 'UI', uids.seriesInstanceUid),
  ]);
