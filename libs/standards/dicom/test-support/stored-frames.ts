import { imagePixel, pixelDataLayout, type ParsedFile, type StoredFrame } from '../src/index.js';

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
