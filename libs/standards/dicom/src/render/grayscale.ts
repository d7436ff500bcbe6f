import type { DicomDataset } from '../dataset.js';
import type { ImagePixel } from '../pixels/layout.js';
import type { DecodedFrame } from '../pixels/native.js';
import { modalityTransform, type ModalityTransform } from './modality.js';
import { narrowSamples, type NarrowSamples } from './narrow-samples.js';
import { paddingOf } from './padding.js';
import type { Gray8 } from './picture.js';
import { inSteps, type Steps } from './steps.js';
import { isFloat, storedValues, type StoredValues } from './stored-values.js';
import { ranged, voiOf, windowed, type Voi, type Window } from './voi.js';

export interface GrayscaleOptions {
  /** From 1. */
  readonly frameNumber: number;
  /** In place of the object's own VOI. */
  readonly window: Window | undefined;
  /** The Stored Pixel Value from which on pixels are no grey ones. */
  readonly firstColour: number | undefined;
}

/**
 * The grayscale pipeline (PS3.4 N.2): Modality LUT, VOI LUT, Presentation LUT Shape.
 * Thrown when a table of the object is none, or the window: DicomRenderError.
 */
export function* renderGrayscale(
  dataset: DicomDataset,
  image: ImagePixel,
  frame: DecodedFrame,
  { frameNumber, window, firstColour = Infinity }: GrayscaleOptions,
): Steps<Gray8> {
  const stored = storedValues(image, frame.samples, dataset.number('HighBit'));
  const modality = modalityTransform(dataset, frameNumber, stored);
  const narrow = yield* narrowSamples(frame.samples);
  const isPadding = paddingOf(dataset, stored);
  const isLeftOut = (value: number): boolean => value >= firstColour || isPadding?.(value) === true;
  const voi = window
    ? windowed(window)
    : (voiOf(dataset, frameNumber, modality.min < 0) ??
      (yield* defaultVoi(dataset, image, frame, { narrow, stored, modality, isLeftOut })));
  const isInverse = isInverted(dataset, frame.photometricInterpretation);
  const grey = (sample: number): number => {
    const level = Math.round(voi(modality.of(stored.of(sample))));
    return isInverse ? 255 - level : level;
  };
  const samples = yield* narrow ? narrow.mapped(grey) : mapped(frame, grey);
  return { kind: 'gray8', columns: frame.columns, rows: frame.rows, samples };
}

function* mapped({ samples }: DecodedFrame, grey: (sample: number) => number): Steps<Uint8Array> {
  const out = new Uint8Array(samples.length);
  yield* inSteps(out.length, (from, to) => {
    for (let i = from; i < to; i++) out[i] = grey(samples[i] ?? 0);
  });
  return out;
}

/** What the samples of a frame mean. */
interface Values {
  readonly narrow: NarrowSamples | undefined;
  readonly stored: StoredValues;
  readonly modality: ModalityTransform;
  /** Whether a Stored Pixel Value is no part of the grey image. */
  readonly isLeftOut: (stored: number) => boolean;
}

/**
 * Where the object says nothing, its values are shown as they are, from the least to the greatest there can be: of 8 bits
 * or fewer, which were made for a screen, and of what is For Presentation, which is in P-Values (PS3.3 C.11.6.1.2). All
 * others would be nearly black so: they are shown from the least to the greatest that the frame has, padding left out.
 */
function* defaultVoi(
  dataset: DicomDataset,
  image: ImagePixel,
  frame: DecodedFrame,
  { narrow, stored, modality, isLeftOut }: Values,
): Steps<Voi> {
  const isForScreens = image.bitsStored <= 8 || dataset.string('PresentationIntentType') === 'FOR PRESENTATION';
  if (isForScreens && !isFloat(frame.samples)) return ranged(modality.min, modality.max);
  let [least, greatest] = [Infinity, -Infinity];
  const samples = narrow?.distinct ?? frame.samples;
  yield* inSteps(samples.length, (from, to) => {
    for (let i = from; i < to; i++) {
      const value = stored.of(samples[i] ?? 0);
      if (!Number.isFinite(value) || isLeftOut(value)) continue;
      const output = modality.of(value);
      if (output < least) least = output;
      if (output > greatest) greatest = output;
    }
  });
  // A frame of nothing but padding has no range, and is black.
  return least > greatest ? () => 0 : ranged(least, greatest);
}

/**
 * Whether the least value is the whitest: Presentation LUT Shape says it of the whole pipeline (PS3.3 C.11.6.1.2); objects
 * without it do by their Photometric Interpretation (C.7.6.3.1.2).
 */
function isInverted(dataset: DicomDataset, photometricInterpretation: string): boolean {
  const shape = dataset.string('PresentationLUTShape');
  if (shape === 'INVERSE' || shape === 'IDENTITY') return shape === 'INVERSE';
  return photometricInterpretation === 'MONOCHROME1';
}
