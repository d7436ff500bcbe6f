import { DicomRenderError } from './errors.js';
import { channelsOf, type Picture } from './picture.js';
import { resampleAxis, type AxisSamples } from './resample.js';
import { allAtOnce, stepSamples, type Steps } from './steps.js';

/** The `viewport` parameter of a request (PS3.18 8.3.5.1.3): vw, vh, sx, sy, sw and sh. */
export interface Viewport {
  /** Pixels, both. */
  readonly width: number;
  readonly height: number;
  readonly region?: SourceRegion;
}

/** The part of the image that is shown, in its pixels, also fractions; what is outside of the image is left out. */
export interface SourceRegion {
  /** Default 0; its sign says nothing. */
  readonly x?: number;
  readonly y?: number;
  /** Default to the image's edge; negative ones turn the picture round, left to right or top to bottom. */
  readonly width?: number;
  readonly height?: number;
}

/** More than the largest detectors have; a picture of colour takes three bytes a pixel. */
const picturePixelsMax = 64 * 1024 * 1024;
/** As long as a side of a JPEG can be. */
const sideMax = 0xffff;

interface Span {
  readonly start: number;
  readonly length: number;
  readonly isFlipped: boolean;
}

/**
 * The region of a picture, as large as it gets inside the viewport without being distorted: so one side is the viewport's,
 * the other not longer. Made smaller by the mean of what a pixel covers, larger by linear interpolation.
 * Thrown when the viewport is none, or its region outside of the picture, or the result too large: DicomRenderError.
 */
export function scaleToViewport<P extends Picture>(picture: P, viewport: Viewport): P {
  return allAtOnce(scaledInSteps(picture, viewport));
}

/** The same, in steps of some rows. */
export function* scaledInSteps<P extends Picture>(picture: P, viewport: Viewport): Steps<P> {
  const { width, height, region = {} } = viewport;
  if (![width, height].every((side) => Number.isInteger(side) && side > 0))
    throw badOption('A viewport has a width and a height of one pixel or more');
  const x = spanOf(region.x, region.width, picture.columns);
  const y = spanOf(region.y, region.height, picture.rows);
  const scale = Math.min(width / x.length, height / y.length);
  const sideOf = (length: number, most: number): number => Math.min(most, Math.max(1, Math.round(length * scale)));
  const [columns, rows] = [sideOf(x.length, width), sideOf(y.length, height)];
  if (columns * rows > picturePixelsMax || Math.max(columns, rows) > sideMax)
    throw new DicomRenderError(
      'too-large',
      `The picture would have more than ${String(picturePixelsMax)} pixels, or a side of more than ${String(sideMax)}`,
    );
  const isSame = columns === picture.columns && rows === picture.rows && x.length === columns && y.length === rows;
  if (isSame && !x.isFlipped && !y.isFlipped) return picture;
  const samples = yield* resampled(picture, axis(x, columns, picture.columns), axis(y, rows, picture.rows));
  return { ...picture, columns, rows, samples };
}

const axis = (span: Span, count: number, size: number): AxisSamples =>
  resampleAxis(span.start, span.length, count, size, span.isFlipped);

function spanOf(at = 0, length: number | undefined, size: number): Span {
  const start = Math.abs(at);
  const end = length === undefined ? size : Math.min(size, start + Math.abs(length));
  if (!(end > start)) throw badOption('A viewport shows a region inside of the image');
  return { start, length: end - start, isFlipped: length !== undefined && length < 0 };
}

/**
 * Row after row: source rows are mixed to a line, as wide as the region, and its pixels to those of the row. Of a very small
 * picture one row is made of very many: others have their turn between those, too.
 */
function* resampled(picture: Picture, x: AxisSamples, y: AxisSamples): Steps<Uint8Array> {
  const channels = channelsOf(picture);
  const line = new Float64Array((x.end - x.first) * channels);
  const width = x.count * channels;
  const out = new Uint8Array(width * y.count);
  let mixed = 0;
  for (let row = 0; row < y.count; row++) {
    line.fill(0);
    const [from = 0, to = 0] = y.starts.subarray(row, row + 2);
    for (let tap = from; tap < to; tap++) {
      const source = (y.firsts[row] ?? 0) + tap - from;
      addRow(line, picture.samples, (source * picture.columns + x.first) * channels, y.weights[tap] ?? 0);
      mixed += line.length;
      if (mixed < stepSamples) continue;
      mixed = 0;
      yield;
    }
    mixLine(line, x, channels, out.subarray(row * width, (row + 1) * width));
    yield;
  }
  return out;
}

function addRow(line: Float64Array, samples: Uint8Array, start: number, weight: number): void {
  for (let i = 0; i < line.length; i++) line[i] = (line[i] ?? 0) + (samples[start + i] ?? 0) * weight;
}

function mixLine(line: Float64Array, x: AxisSamples, channels: number, out: Uint8Array): void {
  const { count, firsts, starts, weights, first } = x;
  for (let column = 0; column < count; column++) {
    const from = starts[column] ?? 0;
    const to = starts[column + 1] ?? 0;
    for (let channel = 0; channel < channels; channel++) {
      let sum = 0;
      let at = ((firsts[column] ?? 0) - first) * channels + channel;
      for (let tap = from; tap < to; tap++, at += channels) sum += (line[at] ?? 0) * (weights[tap] ?? 0);
      out[column * channels + channel] = Math.round(sum);
    }
  }
}

const badOption = (message: string): DicomRenderError => new DicomRenderError('bad-option', message);
