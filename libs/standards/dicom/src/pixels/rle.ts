import { DicomPixelError } from '../errors.js';
import type { ImagePixel } from './layout.js';

/**
 * One RLE frame (PS3.5 Annex G) as little-endian bytes, colour by pixel. Segments hold one byte plane each, most
 * significant byte of a sample first.
 * Thrown when a segment is short or the header is wrong: DicomPixelError.
 */
export function decodeRleFrame(encoded: Uint8Array, image: ImagePixel): Uint8Array {
  const bytesPerSample = image.bitsAllocated / 8;
  const pixels = image.rows * image.columns;
  const segmentCount = image.samplesPerPixel * bytesPerSample;
  if (encoded.length < 64 || !Number.isInteger(bytesPerSample)) throw broken('An RLE frame has no header');
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  if (view.getUint32(0, true) !== segmentCount || segmentCount > 15)
    throw broken('An RLE frame has another number of segments than its samples need');
  const out = new Uint8Array(pixels * segmentCount);
  for (let segment = 0; segment < segmentCount; segment++) {
    const start = view.getUint32(4 + segment * 4, true);
    const end = segment + 1 < segmentCount ? view.getUint32(8 + segment * 4, true) : encoded.length;
    if (start < 64 || end < start || end > encoded.length) throw broken('An RLE segment lies outside its frame');
    const sample = Math.floor(segment / bytesPerSample);
    const byte = bytesPerSample - 1 - (segment % bytesPerSample);
    unpackSegment(encoded.subarray(start, end), out, sample * bytesPerSample + byte, segmentCount, pixels);
  }
  return out;
}

/** PackBits (PS3.5 G.3.2) into every `stride`-th byte. */
function unpackSegment(segment: Uint8Array, out: Uint8Array, first: number, stride: number, count: number): void {
  let at = 0;
  let written = 0;
  while (written < count && at < segment.length) {
    const control = segment[at++] ?? 0;
    if (control === 128) continue;
    const isRun = control > 128;
    const length = Math.min(isRun ? 257 - control : control + 1, count - written);
    if (!isRun && at + length > segment.length) break;
    for (let i = 0; i < length; i++) out[first + (written + i) * stride] = segment[isRun ? at : at + i] ?? 0;
    at += isRun ? 1 : control + 1;
    written += length;
  }
  if (written < count) throw broken('An RLE segment is shorter than its plane');
}

const broken = (message: string): DicomPixelError => new DicomPixelError('dicom.pixel-data-broken', message);
