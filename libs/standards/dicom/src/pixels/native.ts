import { DicomPixelError } from '../errors.js';
import type { Samples } from '../geometry/volume.js';
import { inSteps, type Steps } from '../render/steps.js';
import type { Tag } from '../tags.js';
import { nativeFrameBits, type ImagePixel } from './layout.js';

export interface DecodedFrame {
  readonly rows: number;
  readonly columns: number;
  readonly samplesPerPixel: number;
  /**
   * What the samples are: as stored, RGB where decoding JPEG 2000 undid a colour transform, and of JPEG what the stream
   * says where the dataset says another.
   */
  readonly photometricInterpretation: string;
  /** Stored values, no rescale applied: columns fastest, then rows; colour by pixel (Planar Configuration 0). */
  readonly samples: Samples;
}

const broken = (what: string): DicomPixelError => new DicomPixelError('dicom.pixel-data-broken', what);

/**
 * Samples of one native frame.
 * @param bytes little-endian, from the frame's first bit on (PS3.5 8.1.1); more than the frame has are left
 * @param tag of their element: Pixel Data, Float Pixel Data or Double Float Pixel Data
 * Thrown when they are too few, or Bits Allocated is none of Pixel Data: DicomPixelError.
 */
export function* decodeNativeFrame(bytes: Uint8Array, image: ImagePixel, tag: Tag = '7FE00010'): Steps<DecodedFrame> {
  if (tag !== '7FE00010') return floatFrame(bytes, tag, image, 1);
  if (image.bitsAllocated === 1) return decoded(image, yield* unpackBits(bytes, image, 1));
  const frame = bytes.subarray(0, Math.ceil(nativeFrameBits(image) / 8));
  if (frame.length * 8 < nativeFrameBits(image)) throw broken('Pixel Data is shorter than its frames');
  if (image.photometricInterpretation === 'YBR_FULL_422') return decoded(image, yield* expand422(frame, image));
  return decoded(image, yield* byPixel(samplesOf(frame, image), image, image.planarConfiguration));
}

export function decoded(
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
export function samplesOf(
  bytes: Uint8Array,
  image: Pick<ImagePixel, 'bitsAllocated' | 'pixelRepresentation'>,
): Samples {
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

/** Float Pixel Data or Double Float Pixel Data (PS3.3 C.7.6.24, C.7.6.25). @param number of the frame, from 1 */
export function floatFrame(value: Uint8Array, tag: Tag, image: ImagePixel, number: number): DecodedFrame {
  const count = image.rows * image.columns * image.samplesPerPixel;
  const size = tag === '7FE00008' ? 4 : 8;
  const bytes = new Uint8Array(value.subarray((number - 1) * count * size, number * count * size));
  if (bytes.length < count * size) throw broken('Float Pixel Data is shorter than its frames');
  return decoded(image, size === 4 ? new Float32Array(bytes.buffer) : new Float64Array(bytes.buffer));
}

/** Bits Allocated 1: pixels packed from the least significant bit, frames without padding between (PS3.5 8.1.1). */
export function* unpackBits(value: Uint8Array, image: ImagePixel, number: number): Steps<Uint8Array> {
  const count = image.rows * image.columns * image.samplesPerPixel;
  const start = (number - 1) * count;
  if (value.length * 8 < start + count) throw broken('Pixel Data is shorter than its frames');
  const samples = new Uint8Array(count);
  yield* inSteps(count, (from, to) => {
    for (let i = from; i < to; i++) {
      const bit = start + i;
      samples[i] = ((value[bit >> 3] ?? 0) >> (bit & 7)) & 1;
    }
  });
  return samples;
}

/**
 * Y1 Y2 Cb Cr for two pixels becomes three samples a pixel.
 * Thrown when the image cannot be YBR_FULL_422, which is of three samples of 8 bits (PS3.3 C.7.6.3.1.2): DicomPixelError.
 */
export function* expand422(bytes: Uint8Array, image: ImagePixel): Steps<Uint8Array> {
  if (image.samplesPerPixel !== 3 || image.bitsAllocated !== 8)
    throw broken('YBR_FULL_422 is of three samples of 8 bits (PS3.3 C.7.6.3.1.2)');
  const samples = new Uint8Array(image.rows * image.columns * 3);
  yield* inSteps(Math.floor(bytes.length / 4), (from, to) => {
    for (let at = from * 4, out = from * 6; at < to * 4; at += 4, out += 6) {
      const blue = bytes[at + 2] ?? 0;
      const red = bytes[at + 3] ?? 0;
      samples[out] = bytes[at] ?? 0;
      samples[out + 1] = blue;
      samples[out + 2] = red;
      samples[out + 3] = bytes[at + 1] ?? 0;
      samples[out + 4] = blue;
      samples[out + 5] = red;
    }
  });
  return samples;
}

/** Colour by plane becomes colour by pixel. */
export function* byPixel<T extends Samples>(samples: T, image: ImagePixel, planarConfiguration: number): Steps<T> {
  if (image.samplesPerPixel === 1 || planarConfiguration === 0) return samples;
  const pixels = image.rows * image.columns;
  const out = samples.slice() as T;
  for (let plane = 0; plane < image.samplesPerPixel; plane++)
    yield* inSteps(pixels, (from, to) => {
      for (let i = from; i < to; i++) out[i * image.samplesPerPixel + plane] = samples[plane * pixels + i] ?? 0;
    });
  return out;
}

/** Colour by pixel becomes colour by plane. */
export function* byPlane<T extends Samples>(samples: T, image: ImagePixel): Steps<T> {
  if (image.samplesPerPixel === 1) return samples;
  const pixels = image.rows * image.columns;
  const out = samples.slice() as T;
  for (let plane = 0; plane < image.samplesPerPixel; plane++)
    yield* inSteps(pixels, (from, to) => {
      for (let i = from; i < to; i++) out[plane * pixels + i] = samples[i * image.samplesPerPixel + plane] ?? 0;
    });
  return out;
}
