import type { DicomDataset } from '../dataset.js';
import { frameMacro } from './functional-groups.js';
import { lookUp, readLookupTable } from './lookup-table.js';
import type { StoredValues } from './stored-values.js';

/** From Stored Pixel Values to what they measure: Hounsfield Units, optical density. */
export interface ModalityTransform {
  /** The least and the greatest output there can be. */
  readonly min: number;
  readonly max: number;
  of(stored: number): number;
}

/**
 * The Modality LUT of a frame (PS3.3 C.11.1): its sequence where there is one, else Rescale Slope and Intercept, of the
 * frame (Pixel Value Transformation, C.7.6.16.2.9) or of the object, else identity.
 * @param frameNumber from 1
 * Thrown when its table is none: DicomRenderError.
 */
export function modalityTransform(dataset: DicomDataset, frameNumber: number, stored: StoredValues): ModalityTransform {
  const [item] = dataset.sequence('ModalityLUTSequence');
  if (item) {
    const table = readLookupTable(item, stored.min < 0);
    // Its output is unsigned always (C.11.1.1.1).
    return { min: 0, max: 2 ** table.bits - 1, of: (value) => lookUp(table, value) };
  }
  const rescale = frameMacro(dataset, frameNumber, 'PixelValueTransformationSequence');
  // A slope of 0 would make all pixels alike: nobody means it.
  const slope = rescale.number('RescaleSlope') || 1;
  const intercept = rescale.number('RescaleIntercept') ?? 0;
  const of = (value: number): number => value * slope + intercept;
  const ends = [of(stored.min), of(stored.max)];
  return { min: Math.min(...ends), max: Math.max(...ends), of };
}
