import { imagePixel, pixelDataLayout, type ParsedFile, type StoredFrame } from '../src/index.js';

/** Of an image of grey bytes, all but how many there are. */
export const greyBytes = {
  samplesPerPixel: 1,
  bitsAllocated: 8,
  bitsStored: 8,
  pixelRepresentation: 0,
  planarConfiguration: 0,
  photometricInterpretation: 'MONOCHROME2',
} as const;

/** An RLE frame of these segments (PS3.5 G.5), whatever is in them. */
export function rleFrameOf(...segments: readonly Uint8Array[]): Uint8Array {
  const header = Buffer.alloc(64);
  header.writeUInt32LE(segments.length, 0);
  let at = header.length;
  for (const [i, segment] of segments.entries()) {
    header.writeUInt32LE(at, 4 + 4 * i);
    at += segment.length;
  }
  return new Uint8Array(Buffer.concat([header, ...segments]));
}

/** Every frame of a file as it is stored; of single bits only where frames end with their bytes. */
export function storedFrames(file: ParsedFile): StoredFrame[] {
  const layout = pixelDataLayout(file);
  const image = imagePixel(file.dataset);
  if (!file.pixelData) throw new Error('the file has pixels');
  const { tag, vr } = file.pixelData;
  const of = (bytes: Uint8Array): StoredFrame => ({
    bytes,
    transferSyntaxUid: file.transferSyntax.uid,
    image,
    tag,
    vr,
  });
  if (layout.encapsulated) {
    return layout.frames.map((ranges) =>
      of(Buffer.concat(ranges.map(({ offset, byteCount }) => file.bytes.subarray(offset, offset + byteCount)))),
    );
  }
  return Array.from({ length: image.frames }, (_, frame) => {
    const start = layout.nativeOffset + frame * layout.nativeFrameBytes;
    // To the end of the value, as a big-endian frame of bytes may need what is behind it.
    return of(file.bytes.subarray(start, start + layout.nativeFrameBytes + (layout.nativeFrameBytes % 2)));
  });
}
