import { inflateRawSync } from 'node:zlib';
import { setImmediate as nextTick } from 'node:timers/promises';
import type { ByteRange } from '../dataset.js';
import { DicomPixelError } from '../errors.js';
import type { Samples } from '../geometry/volume.js';
import { parseFile, type ParsedFile } from '../parse/parse.js';
import { codecPool, type CodecImage, type Decoder } from './codec-pool.js';
import { readCodeStream, type CodeStream } from './codestream.js';
import { imagePixel, nativeFrameBits, pixelDataLayout, type ImagePixel, type PixelDataLayout } from './layout.js';
import { decodeRleFrame } from './rle.js';

export interface DecodedFrame {
  readonly rows: number;
  readonly columns: number;
  readonly samplesPerPixel: number;
  /** As stored; after decoding JPEG or JPEG 2000 with a colour transform it may have become RGB. */
  readonly photometricInterpretation: string;
  /** Stored values, no rescale applied: columns fastest, then rows; colour by pixel (Planar Configuration 0). */
  readonly samples: Samples;
}

export interface DecodeOptions {
  /** Frame numbers from 1; default all. */
  readonly frameNumbers?: readonly number[];
}

/** Decoded bytes of all frames together: 1 GiB, or one object could take the process down. */
const decodedBytesMax = 1024 * 1024 * 1024;

/**
 * Samples of an instance's frames: uncompressed (both byte orders, deflated), RLE, JPEG, JPEG Lossless, JPEG-LS,
 * JPEG 2000, HTJ2K, JPEG XL, deflated frames. JPEG and its successors are decoded in a thread of their own; between other frames
 * other work gets its turn.
 * Thrown when there is no Pixel Data, the syntax is not supported (video), or a stream is broken: DicomPixelError.
 */
export async function decodeFrames(
  source: Uint8Array | ParsedFile,
  options: DecodeOptions = {},
): Promise<DecodedFrame[]> {
  const file = source instanceof Uint8Array ? parseFile(source) : source;
  const image = imagePixel(file.dataset);
  const layout = pixelDataLayout(file);
  if (file.transferSyntax.video) throw unsupported(file.transferSyntax.name);
  const numbers = options.frameNumbers ?? Array.from({ length: image.frames }, (_, i) => i + 1);
  if (numbers.length * Math.ceil(nativeFrameBits(image) / 8) > decodedBytesMax) {
    throw new DicomPixelError(
      'dicom.pixel-data-unsupported',
      `Frames decode to more than ${String(decodedBytesMax)} bytes`,
    );
  }
  const frames: DecodedFrame[] = [];
  for (const number of numbers) {
    if (frames.length > 0) await nextTick();
    frames.push(await decodeFrame(file, layout, image, number));
  }
  return frames;
}

const unsupported = (name: string): DicomPixelError =>
  new DicomPixelError('dicom.pixel-data-unsupported', `Pixels in ${name} are not decoded`);
const broken = (what: string, cause?: unknown): DicomPixelError =>
  new DicomPixelError('dicom.pixel-data-broken', what, { cause });

async function decodeFrame(
  file: ParsedFile,
  layout: PixelDataLayout,
  image: ImagePixel,
  number: number,
): Promise<DecodedFrame> {
  const isInside = Number.isInteger(number) && number >= 1 && number <= image.frames;
  if (!isInside) throw broken(`Frame ${String(number)} of ${String(image.frames)} does not exist`);
  if (!layout.encapsulated) return nativeFrame(file, layout, image, number);
  const ranges = layout.frames[number - 1];
  if (!ranges) throw broken(`Frame ${String(number)} has no fragments`);
  const encoded = joined(file.bytes, ranges);
  return decodeEncodedFrame(file.transferSyntax.uid, encoded, image);
}

function nativeFrame(file: ParsedFile, layout: PixelDataLayout, image: ImagePixel, number: number): DecodedFrame {
  const element = file.pixelData && file.dataset.element(file.pixelData.tag);
  if (!element) throw new DicomPixelError('dicom.pixel-data-absent', 'The instance has no Pixel Data');
  if (element.tag !== '7FE00010') return floatFrame(element.value, element.tag, image, number);
  if (image.bitsAllocated === 1) return result(image, unpackBits(element.value, image, number));
  const size = layout.nativeFrameBytes;
  const bytes = element.value.subarray((number - 1) * size, number * size);
  if (bytes.length < size) throw broken('Pixel Data is shorter than its frames');
  if (image.photometricInterpretation === 'YBR_FULL_422') return result(image, expand422(bytes, image));
  return result(image, byPixel(samplesOf(bytes, image), image, image.planarConfiguration));
}

function result(
  image: ImagePixel,
  samples: Samples,
  photometricInterpretation = image.photometricInterpretation,
): DecodedFrame {
  return {
    rows: image.rows,
    columns: image.columns,
    samplesPerPixel: image.samplesPerPixel,
    photometricInterpretation,
    samples,
  };
}

/** Samples of little-endian bytes; copied, so that any byte offset is aligned. */
function samplesOf(bytes: Uint8Array, image: Pick<ImagePixel, 'bitsAllocated' | 'pixelRepresentation'>): Samples {
  const copy = new Uint8Array(bytes).buffer;
  const signed = image.pixelRepresentation === 1;
  switch (image.bitsAllocated) {
    case 8:
      return signed ? new Int8Array(copy) : new Uint8Array(copy);
    case 16:
      return signed ? new Int16Array(copy) : new Uint16Array(copy);
    case 32:
      return signed ? new Int32Array(copy) : new Uint32Array(copy);
    default:
      throw broken(`Bits Allocated ${String(image.bitsAllocated)} in Pixel Data`);
  }
}

function floatFrame(value: Uint8Array, tag: string, image: ImagePixel, number: number): DecodedFrame {
  const count = image.rows * image.columns * image.samplesPerPixel;
  const size = tag === '7FE00008' ? 4 : 8;
  const bytes = new Uint8Array(value.subarray((number - 1) * count * size, number * count * size));
  if (bytes.length < count * size) throw broken('Float Pixel Data is shorter than its frames');
  return result(image, size === 4 ? new Float32Array(bytes.buffer) : new Float64Array(bytes.buffer));
}

/** Bits Allocated 1: pixels packed from the least significant bit, frames without padding between (PS3.5 8.1.1). */
function unpackBits(value: Uint8Array, image: ImagePixel, number: number): Uint8Array {
  const count = image.rows * image.columns * image.samplesPerPixel;
  const start = (number - 1) * count;
  if (value.length * 8 < start + count) throw broken('Pixel Data is shorter than its frames');
  const samples = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const bit = start + i;
    samples[i] = ((value[bit >> 3] ?? 0) >> (bit & 7)) & 1;
  }
  return samples;
}

/** Y1 Y2 Cb Cr for two pixels becomes three samples a pixel. */
export function expand422(bytes: Uint8Array, image: Pick<ImagePixel, 'rows' | 'columns'>): Uint8Array {
  const samples = new Uint8Array(image.rows * image.columns * 3);
  for (let at = 0, out = 0; at + 3 < bytes.length; at += 4, out += 6) {
    const [first = 0, second = 0, blue = 0, red = 0] = bytes.subarray(at, at + 4);
    samples.set([first, blue, red, second, blue, red], out);
  }
  return samples;
}

/** Colour by plane becomes colour by pixel. */
export function byPixel<T extends Samples>(samples: T, image: ImagePixel, planarConfiguration: number): T {
  if (image.samplesPerPixel === 1 || planarConfiguration === 0) return samples;
  const pixels = image.rows * image.columns;
  const out = samples.slice() as T;
  for (let plane = 0; plane < image.samplesPerPixel; plane++) {
    for (let i = 0; i < pixels; i++) out[i * image.samplesPerPixel + plane] = samples[plane * pixels + i] ?? 0;
  }
  return out;
}

/** The codec of each syntax whose code streams are decoded in a thread. */
export const decoders: Readonly<Record<string, Decoder>> = {
  '1.2.840.10008.1.2.4.50': 'decodeJpeg',
  '1.2.840.10008.1.2.4.51': 'decodeJpeg',
  '1.2.840.10008.1.2.4.57': 'decodeJpeg',
  '1.2.840.10008.1.2.4.70': 'decodeJpeg',
  '1.2.840.10008.1.2.4.80': 'decodeJpegLs',
  '1.2.840.10008.1.2.4.81': 'decodeJpegLs',
  '1.2.840.10008.1.2.4.90': 'decodeJpeg2000',
  '1.2.840.10008.1.2.4.91': 'decodeJpeg2000',
  '1.2.840.10008.1.2.4.110': 'decodeJpegXl',
  '1.2.840.10008.1.2.4.112': 'decodeJpegXl',
  '1.2.840.10008.1.2.4.201': 'decodeHtJpeg2000',
  '1.2.840.10008.1.2.4.202': 'decodeHtJpeg2000',
  '1.2.840.10008.1.2.4.203': 'decodeHtJpeg2000',
};

/** Fragments in one buffer of their own, so that a thread can take it over. */
function joined(bytes: Uint8Array, ranges: readonly ByteRange[]): Uint8Array {
  const out = new Uint8Array(ranges.reduce((sum, { byteCount }) => sum + byteCount, 0));
  let at = 0;
  for (const { offset, byteCount } of ranges) {
    out.set(bytes.subarray(offset, offset + byteCount), at);
    at += byteCount;
  }
  return out;
}

/** Syntaxes whose frames are decoded here, without a codec. */
const ownSyntaxes: ReadonlySet<string> = new Set([
  '1.2.840.10008.1.2.5',
  '1.2.840.10008.1.2.1.98',
  '1.2.840.10008.1.2.8.1',
]);

/** True for encapsulated syntaxes that `decodeEncodedFrame` knows. */
export const isDecoded = (transferSyntaxUid: string): boolean =>
  ownSyntaxes.has(transferSyntaxUid) || decoders[transferSyntaxUid] !== undefined;

/**
 * Samples of one encapsulated frame.
 * @param encoded its fragments joined, in a buffer of their own: a codec's thread takes it over
 * Thrown when the syntax is not decoded or the stream is broken: DicomPixelError; when the codecs have too much to do:
 * DicomCodecsBusyError.
 */
export async function decodeEncodedFrame(
  transferSyntaxUid: string,
  encoded: Uint8Array,
  image: ImagePixel,
  signal?: AbortSignal,
): Promise<DecodedFrame> {
  const size = Math.ceil((image.rows * image.columns * image.samplesPerPixel * image.bitsAllocated) / 8);
  switch (transferSyntaxUid) {
    case '1.2.840.10008.1.2.5':
      return result(image, samplesOf(decodeRleFrame(encoded, image), image));
    case '1.2.840.10008.1.2.1.98':
      if (encoded.length < size) throw broken('A frame is shorter than its samples');
      return result(image, byPixel(samplesOf(encoded.subarray(0, size), image), image, image.planarConfiguration));
    case '1.2.840.10008.1.2.8.1':
      return inflatedFrame(inflateFrame(encoded, size), image);
    default:
      return decodeWithWasm(transferSyntaxUid, encoded, image, size, signal);
  }
}

function inflatedFrame(bytes: Uint8Array, image: ImagePixel): DecodedFrame {
  // Each frame is its own stream, so bits start anew in it.
  if (image.bitsAllocated === 1) return result(image, unpackBits(bytes, image, 1));
  return result(image, byPixel(samplesOf(bytes, image), image, image.planarConfiguration));
}

/** Deflated Image Frame Compression (PS3.5 A.4.13): a raw DEFLATE stream, padded to an even length. */
function inflateFrame(encoded: Uint8Array, size: number): Uint8Array {
  try {
    const bytes = inflateRawSync(encoded, { maxOutputLength: size + 1 });
    if (bytes.length >= size) return bytes.subarray(0, size);
  } catch (error) {
    throw broken('A deflated frame cannot be inflated', error);
  }
  throw broken('A deflated frame is shorter than its samples');
}

async function decodeWithWasm(
  transferSyntaxUid: string,
  encoded: Uint8Array,
  image: ImagePixel,
  size: number,
  signal: AbortSignal | undefined,
): Promise<DecodedFrame> {
  const decoder = decoders[transferSyntaxUid];
  if (!decoder) throw unsupported(transferSyntaxUid);
  const stream = readCodeStream(encoded);
  // A code stream of another size would have the codec make room for it first.
  if (stream && !fits(stream, image)) throw broken('A frame does not have the size the dataset states');
  const isNarrow = image.bitsAllocated === 16 && stream !== undefined && stream.precision <= 8;
  const decoded = await codecPool.run(
    { kind: 'decode', decoder, image: codecImage(image, isNarrow ? 8 : image.bitsAllocated), encoded },
    signal,
  );
  const bytes = isNarrow ? widened(decoded.bytes, image, stream) : decoded.bytes;
  if (decoded.columns !== image.columns || decoded.rows !== image.rows || bytes.length < size)
    throw broken('A decoded frame does not have the size the dataset states');
  const samples = byPixel(samplesOf(bytes.subarray(0, size), image), image, stream?.byPlane === true ? 1 : 0);
  return result(image, samples, decodedPhotometric(image.photometricInterpretation));
}

const fits = (stream: CodeStream, image: ImagePixel): boolean =>
  stream.columns === image.columns &&
  stream.rows === image.rows &&
  stream.components === image.samplesPerPixel &&
  stream.precision <= image.bitsAllocated;

/** Eight bits a sample, which a codec gives as bytes, in the words the dataset states. */
function widened(bytes: Uint8Array, { pixelRepresentation }: ImagePixel, { precision }: CodeStream): Uint8Array {
  const words = new Uint16Array(bytes.length);
  const shift = pixelRepresentation === 1 ? 32 - precision : 0;
  for (let i = 0; i < words.length; i++) words[i] = ((bytes[i] ?? 0) << shift) >> shift;
  return new Uint8Array(words.buffer);
}

/** What codecs are told of an image: names they do not know would be refused, and samples lie by pixel. */
export const codecImage = (image: ImagePixel, bitsAllocated = image.bitsAllocated): CodecImage => ({
  rows: image.rows,
  columns: image.columns,
  samplesPerPixel: image.samplesPerPixel,
  bitsAllocated,
  bitsStored: Math.min(image.bitsStored, bitsAllocated),
  pixelRepresentation: image.pixelRepresentation,
  planarConfiguration: 0,
  photometricInterpretation:
    image.samplesPerPixel === 1 ? 'MONOCHROME2' : image.photometricInterpretation === 'RGB' ? 'RGB' : 'YBR_FULL',
});

/** Of decoded samples: colour transforms of JPEG 2000 are undone, and chroma has as many samples as luma (PS3.5 8.2). */
export function decodedPhotometric(photometricInterpretation: string): string {
  if (photometricInterpretation === 'YBR_RCT' || photometricInterpretation === 'YBR_ICT') return 'RGB';
  return photometricInterpretation === 'YBR_FULL_422' ? 'YBR_FULL' : photometricInterpretation;
}
