import { DicomPixelError } from '../errors.js';
import { codecPool } from '../pixels/codec-pool.js';
import { samplesAs } from '../pixels/colour.js';
import { decodeEncodedFrame } from '../pixels/decode.js';
import { encodeFrame } from '../pixels/encode.js';
import { nativeFrameBits, type ImagePixel } from '../pixels/layout.js';
import { inTurns } from '../render/steps.js';
import { ByteStream } from './byte-stream.js';
import type { FrameFacts } from './facts.js';
import { BitPacker, codecSamples, encodedFrames, inOrder, valuePieces } from './frames.js';
import { itemTag, sequenceDelimiter, writeItemHead } from './head.js';
import type { TranscodeLimits } from './limits.js';
import type { DatasetWalker } from './walker.js';

/** What is done to Pixel Data: the walker stands at its value or its items. */
export interface PixelWork {
  readonly walker: DatasetWalker;
  readonly pixels: FrameFacts;
  /** Of the frames once decoded. */
  readonly image: ImagePixel;
  readonly fromUid: string;
  readonly toUid: string;
  readonly limits: TranscodeLimits;
  readonly signal: AbortSignal | undefined;
  /** Called when a frame is done. */
  readonly onFrame: (() => void) | undefined;
}

/** A native value about to be read. */
export interface NativeValue {
  readonly length: number;
  readonly vr: string;
  /** Its words are big-endian. */
  readonly swap: boolean;
}

/** Native Pixel Data of encapsulated frames: little-endian, colour by pixel, padded to an even length. */
export async function* nativePixels(work: PixelWork): AsyncGenerator<Uint8Array> {
  const packer = work.image.bitsAllocated === 1 ? new BitPacker() : undefined;
  let byteCount = 0;
  for await (const samples of inOrder(fragmentFrames(work), (frame) => decoded(work, frame), framesAhead(work))) {
    work.onFrame?.();
    const bytes = packer ? packer.add(samples) : samples;
    byteCount += bytes.length;
    yield bytes;
  }
  const last = packer?.end() ?? new Uint8Array(0);
  yield last;
  if ((byteCount + last.length) % 2 === 1) yield Uint8Array.of(0);
}

/**
 * Fragments of frames, with their heads and delimiter: an empty Basic Offset Table, then one fragment a frame (PS3.5 A.4).
 * @param native where the source's Pixel Data is not encapsulated
 */
export async function* encodedPixels(work: PixelWork, native?: NativeValue): AsyncGenerator<Uint8Array> {
  const { image, toUid, signal } = work;
  const frames = native ? nativeFrames(work, native) : fragmentFrames(work);
  const samplesOf = (frame: Uint8Array): Promise<Uint8Array> =>
    native ? inTurns(codecSamples(frame, work.pixels.image), signal) : decoded(work, frame);
  const encode = async (frame: Uint8Array): Promise<Uint8Array> =>
    encodeFrame(toUid, await samplesOf(frame), image, signal);
  yield writeItemHead(itemTag, 0, false);
  for await (const fragment of inOrder(frames, encode, framesAhead(work))) {
    work.onFrame?.();
    const isOdd = fragment.length % 2 === 1;
    yield writeItemHead(itemTag, fragment.length + (isOdd ? 1 : 0), false);
    yield fragment;
    if (isOdd) yield Uint8Array.of(0);
  }
  yield writeItemHead(sequenceDelimiter, 0, false);
}

function fragmentFrames({ walker, pixels, fromUid, limits }: PixelWork): AsyncGenerator<Uint8Array> {
  const bytesMax = encodedBytesMax(pixels.image, limits);
  return encodedFrames(fragments(walker, pixels.image.frames, bytesMax), pixels, fromUid, bytesMax);
}

/** Headers, profiles and thumbnails of writers, beside the samples. */
const beside = 256 * 1024;
/** Of noise a code stream is somewhat longer than its samples, whatever the codec. */
const noiseGrowth = 2;

/**
 * The longest code stream of a frame. What a frame may take is counted by its samples: one of a few pixels in hundreds of
 * megabytes would be held without.
 */
export const encodedBytesMax = (image: ImagePixel, { encodedFrameBytesMax }: TranscodeLimits): number =>
  Math.min(encodedFrameBytesMax, noiseGrowth * Math.ceil(nativeFrameBits(image) / 8) + beside);

/** Items of Pixel Data, the Basic Offset Table first, whose length the number of frames says (PS3.5 A.4). */
async function* fragments(walker: DatasetWalker, frames: number, bytesMax: number): AsyncGenerator<Uint8Array> {
  let most = Math.max(bytesMax, 4 * frames);
  for (let length = await walker.nextFragment(); length !== undefined; length = await walker.nextFragment()) {
    if (length > most)
      throw new DicomPixelError('dicom.pixel-data-broken', `A fragment is longer than ${String(most)} bytes`);
    yield await walker.stream.read(length);
    most = bytesMax;
  }
}

/** Bytes after the last frame are padding, and left. Swapped before they are cut: a frame may end inside a word. */
async function* nativeFrames({ walker, pixels }: PixelWork, value: NativeValue): AsyncGenerator<Uint8Array> {
  const frameBytes = nativeFrameBits(pixels.image) / 8;
  const bytes = new ByteStream(valuePieces(walker.stream, value.length, value.vr, value.swap));
  for (let frame = 0; frame < pixels.image.frames; frame++) yield await bytes.read(frameBytes);
}

async function decoded({ pixels, image, fromUid, signal }: PixelWork, frame: Uint8Array): Promise<Uint8Array> {
  const samples = await samplesAs(await decodeEncodedFrame(fromUid, frame, pixels.image, signal), image, signal);
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  // A codec's thread takes over the buffer.
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}

/** Bytes of a frame's samples once decoded: single bits have become bytes, chroma is as fine as luma. */
const sampleBytes = (image: ImagePixel): number =>
  Math.max(Math.ceil(nativeFrameBits(image) / 8), image.rows * image.columns * image.samplesPerPixel);

/** Frames begun before the first is done: enough to keep the threads busy, as many as may be held. */
function framesAhead({ image, limits }: Pick<PixelWork, 'image' | 'limits'>): number {
  const held = Math.floor(limits.framesInWorkBytesMax / sampleBytes(image));
  return Math.max(1, Math.min(codecPool.threads + 1, held));
}

/** Copies of one frame beside those that were begun: its code stream, joined, and its samples by pixel. */
const copiesOfOne = 2;

/** Bytes that frames take at most while they are worked on, beside what codecs hold in their threads. */
export const frameWorkBytes = (image: ImagePixel, limits: TranscodeLimits): number =>
  (Math.min(image.frames, framesAhead({ image, limits })) + copiesOfOne) * sampleBytes(image);
