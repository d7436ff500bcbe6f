import { setImmediate as nextTick } from 'node:timers/promises';
import { DicomPixelError } from '../errors.js';
import type { Steps } from '../render/steps.js';
import type { ImagePixel } from './layout.js';

/**
 * One RLE frame (PS3.5 Annex G) as little-endian bytes, colour by pixel. Segments hold one byte plane each, most
 * significant byte of a sample first.
 * Thrown when a segment is short or the header is wrong: DicomPixelError.
 */
export function* decodeRleFrame(encoded: Uint8Array, image: ImagePixel): Steps<Uint8Array> {
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
    yield* unpackSegment(encoded.subarray(start, end), out, sample * bytesPerSample + byte, segmentCount, pixels);
  }
  return out;
}

/** Bytes read and unpacked in a step. */
const stepBytes = 48 * 1024;
/** A control byte of -128 says nothing (PS3.5 G.3.2). */
const noOperation = 128;

/** PackBits (PS3.5 G.3.2) into every `stride`-th byte. */
function* unpackSegment(
  segment: Uint8Array,
  out: Uint8Array,
  first: number,
  stride: number,
  count: number,
): Steps<void> {
  let at = 0;
  let written = 0;
  let step = stepBytes;
  while (written < count && at < segment.length) {
    const control = segment[at++] ?? 0;
    if (control !== noOperation) {
      const isRun = control > noOperation;
      const length = Math.min(isRun ? 257 - control : control + 1, count - written);
      if (!isRun && at + length > segment.length) break;
      for (let i = 0; i < length; i++) out[first + (written + i) * stride] = segment[isRun ? at : at + i] ?? 0;
      at += isRun ? 1 : control + 1;
      written += length;
    }
    // Bytes that make nothing take their time too.
    if (at + written < step) continue;
    step = at + written + stepBytes;
    yield;
  }
  if (written < count) throw broken('An RLE segment is shorter than its plane');
}

/** Rows packed before other work gets its turn. */
const turnBytes = 4 * 1024 * 1024;

/**
 * A frame as RLE (PS3.5 Annex G): a segment for each byte of a sample, the most significant first, sample after sample;
 * every row packed on its own (G.3.1), segments of an even length.
 * @param samples little-endian, colour by pixel
 * @param image Samples per Pixel × bytes of a sample is 15 at most
 */
export async function encodeRleFrame(samples: Uint8Array, image: ImagePixel): Promise<Uint8Array> {
  const bytesPerSample = image.bitsAllocated / 8;
  const stride = image.samplesPerPixel * bytesPerSample;
  const header = Buffer.alloc(64);
  header.writeUInt32LE(stride, 0);
  const segments: Uint8Array[] = [header];
  let at = header.length;
  let sinceTurn = 0;
  for (let segment = 0; segment < stride; segment++) {
    header.writeUInt32LE(at, 4 + segment * 4);
    const sample = Math.floor(segment / bytesPerSample);
    const first = sample * bytesPerSample + bytesPerSample - 1 - (segment % bytesPerSample);
    const packer = new SegmentPacker(image.columns, image.rows);
    for (let row = 0; row < image.rows; row++) {
      packer.addRow(samples, first + row * image.columns * stride, stride);
      sinceTurn += image.columns;
      if (sinceTurn < turnBytes) continue;
      sinceTurn = 0;
      await nextTick();
    }
    const packed = packer.end();
    segments.push(packed);
    at += packed.length;
  }
  return Buffer.concat(segments);
}

/** PackBits of one byte plane (PS3.5 G.3.1). */
class SegmentPacker {
  readonly #row: Uint8Array;
  /** A literal of 128 costs one byte more, and so may the last one of a row: nothing takes more room. */
  readonly #out: Uint8Array;
  #length = 0;

  constructor(columns: number, rows: number) {
    this.#row = new Uint8Array(columns);
    this.#out = new Uint8Array((columns + Math.ceil(columns / 128) + 1) * rows + 1);
  }

  addRow(samples: Uint8Array, first: number, stride: number): void {
    const row = this.#row;
    for (let i = 0; i < row.length; i++) row[i] = samples[first + i * stride] ?? 0;
    let literal = 0;
    for (let at = 0; at < row.length;) {
      const run = runLength(row, at);
      // Two alike are worth a run of their own only where no literal would be cut in two for it.
      if (run >= 3 || (run === 2 && literal === at)) {
        this.#literals(literal, at);
        this.#out[this.#length++] = 257 - run;
        this.#out[this.#length++] = row[at] ?? 0;
        literal = at + run;
      }
      at += run;
    }
    this.#literals(literal, row.length);
  }

  #literals(from: number, to: number): void {
    for (let at = from; at < to; at += 128) {
      const count = Math.min(128, to - at);
      this.#out[this.#length++] = count - 1;
      this.#out.set(this.#row.subarray(at, at + count), this.#length);
      this.#length += count;
    }
  }

  /** The segment, with a zero at its end where its length was odd. */
  end(): Uint8Array {
    return this.#out.slice(0, this.#length + (this.#length & 1));
  }
}

function runLength(row: Uint8Array, at: number): number {
  const value = row[at];
  const end = Math.min(row.length, at + 128);
  let next = at + 1;
  while (next < end && row[next] === value) next++;
  return next - at;
}

const broken = (message: string): DicomPixelError => new DicomPixelError('dicom.pixel-data-broken', message);
