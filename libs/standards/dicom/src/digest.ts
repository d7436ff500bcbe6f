import { createHash, type Hash } from 'node:crypto';
import type { DicomDataset, DicomElement } from './dataset.js';
import { DicomPixelError } from './errors.js';
import { parseFile, type ParsedFile } from './parse/parse.js';
import { decodeFrames } from './pixels/decode.js';
import { imagePixel, nativeFrameBits } from './pixels/layout.js';

export interface DatasetDigest {
  /** SHA-256, lower-case hex, of everything but Pixel Data and group 0002; private attributes count. */
  readonly attributesDigest: string;
  /**
   * "samples:" and the SHA-256 of the decoded samples for uncompressed and lossless pixels, so that it is the same in
   * every such transfer syntax; "bytes:" and that of the code streams for lossy ones and video, or where a stream
   * cannot be decoded; "none" without Pixel Data.
   */
  readonly pixelDigest: string;
}

/**
 * Digests by which two objects of one SOP Instance UID are compared (rule 2 of the archive): independent of the
 * transfer syntax, byte order and sequence length encoding, of File Meta Information and of retired group lengths.
 * Thrown when the bytes are no DICOM file: DicomParseError.
 */
export async function datasetDigest(source: Uint8Array | ParsedFile): Promise<DatasetDigest> {
  const file = source instanceof Uint8Array ? parseFile(source) : source;
  return { attributesDigest: attributesDigest(file), pixelDigest: await pixelDigest(file) };
}

/** Same pixels? Digests of different kinds (decoded against lossy bytes) are different pixels: one was recompressed. */
export function comparePixels(a: DatasetDigest, b: DatasetDigest): 'same' | 'different' {
  return a.pixelDigest === b.pixelDigest ? 'same' : 'different';
}

/**
 * What changes with the transfer syntax without changing what the object says: offset tables, planes, padding, and
 * the pixels themselves.
 */
const leftOut: ReadonlySet<string> = new Set([
  '7FE00001',
  '7FE00002',
  '7FE00003',
  '7FE00008',
  '7FE00009',
  '7FE00010',
  '00280006',
  'FFFCFFFC',
]);

/** The attributes part of `datasetDigest`, without the cost of decoding pixels. */
export function attributesDigest(source: Uint8Array | ParsedFile): string {
  const file = source instanceof Uint8Array ? parseFile(source) : source;
  const hash = createHash('sha256');
  addDataset(hash, file.dataset, true);
  return hash.digest('hex');
}

function addDataset(hash: Hash, dataset: DicomDataset, isTop: boolean): void {
  for (const element of dataset) {
    if (element.tag.endsWith('0000') || element.tag.startsWith('0002')) continue;
    if (isTop && leftOut.has(element.tag)) continue;
    addElement(hash, element);
  }
}

/** Tag, then a count, then the value: no VR, which an Implicit VR stream does not know of private attributes. */
function addElement(hash: Hash, element: DicomElement): void {
  hash.update(element.tag);
  if (element.items && element.items.length > 0) {
    hash.update(`{${String(element.items.length)}`);
    for (const item of element.items) {
      hash.update('[');
      addDataset(hash, item, false);
      hash.update(']');
    }
    hash.update('}');
    return;
  }
  const value = element.tag === '00280004' ? photometricInterpretation(element.value) : element.value;
  hash.update(`=${String(value.length)}:`).update(value);
}

/** JPEG 2000 names its reversible colour transform here; decoded it is RGB (PS3.5 8.2.4). */
function photometricInterpretation(value: Uint8Array): Uint8Array {
  const name = Buffer.from(value).toString('latin1').trim();
  return name === 'YBR_RCT' || name === 'YBR_ICT' ? Buffer.from('RGB ') : value;
}

/** The pixel part of `datasetDigest`. */
export async function pixelDigest(source: Uint8Array | ParsedFile): Promise<string> {
  const file = source instanceof Uint8Array ? parseFile(source) : source;
  const element = file.pixelData && file.dataset.element(file.pixelData.tag);
  if (!element) return 'none';
  if (!file.transferSyntax.lossy) {
    try {
      return `samples:${await samplesDigest(file)}`;
    } catch (error) {
      if (!(error instanceof DicomPixelError)) throw error;
    }
  }
  return `bytes:${bytesDigest(file, element)}`;
}

/** Decoded samples held at once. */
const batchBytes = 64 * 1024 * 1024;

async function samplesDigest(file: ParsedFile): Promise<string> {
  const image = imagePixel(file.dataset);
  const hash = createHash('sha256').update(
    [image.rows, image.columns, image.frames, image.samplesPerPixel, image.bitsAllocated].join(','),
  );
  // In batches: all frames at once may not fit, and one at a time finds the layout anew for each.
  const batch = Math.max(1, Math.floor((batchBytes * 8) / nativeFrameBits(image)));
  for (let first = 1; first <= image.frames; first += batch) {
    const count = Math.min(batch, image.frames - first + 1);
    const frames = await decodeFrames(file, { frameNumbers: Array.from({ length: count }, (_, i) => first + i) });
    for (const { samples } of frames) {
      hash.update(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength));
    }
  }
  return hash.digest('hex');
}

/** Code streams without their offset table and item headers: where fragments are cut does not matter. */
function bytesDigest(file: ParsedFile, element: DicomElement): string {
  const hash = createHash('sha256');
  if (!element.fragments) return hash.update(element.value).digest('hex');
  for (const { offset, byteCount } of element.fragments.slice(1))
    hash.update(file.bytes.subarray(offset, offset + byteCount));
  return hash.digest('hex');
}
