import { setImmediate as nextTick } from 'node:timers/promises';
import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import type { ByteRange } from '../dataset.js';
import { DicomPixelError } from '../errors.js';
import { parseFile, type ParsedFile } from '../parse/parse.js';
import { inTurns, type Steps } from '../render/steps.js';
import type { CodecImage, Decoder } from './codec-jobs.js';
import { codecPool, type CodecTurn } from './codec-pool.js';
import { readCodeStream, type CodeStream } from './codestream.js';
import { imagePixel, nativeFrameBits, pixelDataLayout, type ImagePixel, type PixelDataLayout } from './layout.js';
import { byPixel, decoded, decodeNativeFrame, floatFrame, samplesOf, unpackBits, type DecodedFrame } from './native.js';
import { decodeRleFrame } from './rle.js';

export { byPixel, expand422, type DecodedFrame } from './native.js';

export interface DecodeOptions {
  /** Frame numbers from 1; default all. */
  readonly frameNumbers?: readonly number[];
}

/** Decoded bytes of all frames together: 1 GiB, or one object could take the process down. */
const decodedBytesMax = 1024 * 1024 * 1024;

/**
 * Samples of an instance's frames: uncompressed (both byte orders, deflated), RLE, JPEG, JPEG Lossless, JPEG-LS,
 * JPEG 2000, HTJ2K, JPEG XL, deflated frames. JPEG and its successors are decoded in a thread of their own; between other frames
 * and within them other work gets its turn.
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
  if (!layout.encapsulated) return inTurns(nativeFrame(file, layout, image, number));
  const ranges = layout.frames[number - 1];
  if (!ranges) throw broken(`Frame ${String(number)} has no fragments`);
  const encoded = joined(file.bytes, ranges);
  return decodeEncodedFrame(file.transferSyntax.uid, encoded, image);
}

function* nativeFrame(
  file: ParsedFile,
  layout: PixelDataLayout,
  image: ImagePixel,
  number: number,
): Steps<DecodedFrame> {
  const element = file.pixelData && file.dataset.element(file.pixelData.tag);
  if (!element) throw new DicomPixelError('dicom.pixel-data-absent', 'The instance has no Pixel Data');
  if (element.tag !== '7FE00010') return floatFrame(element.value, element.tag, image, number);
  // Such frames follow each other without a gap: one may begin inside a byte.
  if (image.bitsAllocated === 1) return decoded(image, yield* unpackBits(element.value, image, number));
  const size = layout.nativeFrameBytes;
  return yield* decodeNativeFrame(element.value.subarray((number - 1) * size, number * size), image);
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
  turn?: CodecTurn,
): Promise<DecodedFrame> {
  switch (transferSyntaxUid) {
    case '1.2.840.10008.1.2.5':
      return decoded(image, samplesOf(await inTurns(decodeRleFrame(encoded, image), signal), image));
    // Each frame is by itself what it would be in native Pixel Data: its bits begin anew, its chroma may be subsampled.
    case '1.2.840.10008.1.2.1.98':
      return inTurns(decodeNativeFrame(encoded, image), signal);
    case '1.2.840.10008.1.2.8.1':
      return inTurns(decodeNativeFrame(await inflateFrame(encoded, nativeBytes(image)), image), signal);
    default:
      return decodeWithWasm(transferSyntaxUid, encoded, image, signal, turn);
  }
}

const nativeBytes = (image: ImagePixel): number => Math.ceil(nativeFrameBits(image) / 8);

/** Deflated Image Frame Compression (PS3.5 A.4.13): a raw DEFLATE stream, padded to an even length. In a thread of libuv. */
async function inflateFrame(encoded: Uint8Array, size: number): Promise<Uint8Array> {
  try {
    const bytes = await promisify(inflateRaw)(encoded, { maxOutputLength: size + 1 });
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
  signal: AbortSignal | undefined,
  turn: CodecTurn | undefined,
): Promise<DecodedFrame> {
  const size = Math.ceil((image.rows * image.columns * image.samplesPerPixel * image.bitsAllocated) / 8);
  const decoder = decoders[transferSyntaxUid];
  if (!decoder) throw unsupported(transferSyntaxUid);
  const stream = readCodeStream(encoded);
  // A code stream of another size would have the codec make room for it first.
  if (stream && !fits(stream, image)) throw broken('A frame does not have the size the dataset states');
  const isNarrow = image.bitsAllocated === 16 && stream !== undefined && stream.precision <= 8;
  const given = await codecPool.run(
    { kind: 'decode', decoder, image: codecImage(image, isNarrow ? 8 : image.bitsAllocated), encoded },
    signal,
    turn,
  );
  const bytes = isNarrow ? widened(given.bytes, image, stream) : given.bytes;
  if (given.columns !== image.columns || given.rows !== image.rows || bytes.length < size)
    throw broken('A decoded frame does not have the size the dataset states');
  const planarConfiguration = stream?.byPlane === true ? 1 : 0;
  const samples = await inTurns(byPixel(samplesOf(bytes.subarray(0, size), image), image, planarConfiguration), signal);
  return decoded(image, samples, photometricOf(image, stream));
}

/** Colours that a JPEG stream and its dataset may differ in: writers mistake RGB for YCbCr, and the stream is what it says. */
const rgbOrYbr: ReadonlySet<string> = new Set(['RGB', 'YBR_FULL', 'YBR_FULL_422']);

/** What the samples of a code stream are once decoded. */
export const photometricOf = (
  { photometricInterpretation }: Pick<ImagePixel, 'photometricInterpretation'>,
  stream: CodeStream | undefined,
): string =>
  (rgbOrYbr.has(photometricInterpretation) ? stream?.colour : undefined) ??
  decodedPhotometric(photometricInterpretation);

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
