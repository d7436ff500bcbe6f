import type { DicomDataset } from '../dataset.js';
import type { StoredValues } from './stored-values.js';

/** Whether a Stored Pixel Value is padding. */
export type IsPadding = (stored: number) => boolean;

/**
 * Pixel Padding Value (0028,0120), or all from there to Pixel Padding Range Limit (0028,0121), whichever of them is less;
 * of floating point the attributes of their own (PS3.3 C.7.5.1.1.2, C.7.6.24, C.7.6.25).
 * @returns undefined when the object names none
 */
export function paddingOf(dataset: DicomDataset, stored: StoredValues): IsPadding | undefined {
  const isFloat = !Number.isFinite(stored.min);
  const number = (keywords: readonly string[]): number | undefined =>
    keywords.map((keyword) => dataset.number(keyword)).find((value) => value !== undefined);
  const value = number(isFloat ? floatValues : ['PixelPaddingValue']);
  if (value === undefined) return undefined;
  const limit = number(isFloat ? floatLimits : ['PixelPaddingRangeLimit']) ?? value;
  const ends = [value, limit].map((end) => (isFloat ? end : asStored(end, stored)));
  const [least, greatest] = [Math.min(...ends), Math.max(...ends)];
  return (sample) => sample >= least && sample <= greatest;
}

const floatValues = ['FloatPixelPaddingValue', 'DoubleFloatPixelPaddingValue'];
const floatLimits = ['FloatPixelPaddingRangeLimit', 'DoubleFloatPixelPaddingRangeLimit'];

/** Its VR should be the sign of the pixels (US or SS), which writers get wrong. */
function asStored(value: number, { min }: StoredValues): number {
  if (min < 0) return value > 0x7fff ? value - 0x10000 : value;
  return value < 0 ? value + 0x10000 : value;
}
