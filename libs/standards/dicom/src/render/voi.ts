import type { DicomDataset } from '../dataset.js';
import { DicomRenderError } from './errors.js';
import { frameMacro } from './functional-groups.js';
import { lookUp, readLookupTable } from './lookup-table.js';

/** VOI LUT Function (0028,1056); `linear`, `linear-exact` and `sigmoid` in a request (PS3.18 8.3.5.1.4). */
export type WindowFunction = 'LINEAR' | 'LINEAR_EXACT' | 'SIGMOID';

/** Values of interest, in what the Modality LUT gives. */
export interface Window {
  readonly center: number;
  /** LINEAR: 1 or more; else more than 0. */
  readonly width: number;
  readonly function: WindowFunction;
}

/** From the output of the Modality LUT to 0 (black, before any inversion) to 255; not rounded. */
export type Voi = (value: number) => number;

const whitest = 255;
const functions: ReadonlySet<string> = new Set(['LINEAR', 'LINEAR_EXACT', 'SIGMOID']);

const isWindow = ({ center, width, function: name }: Window): boolean =>
  Number.isFinite(center) &&
  Number.isFinite(width) &&
  functions.has(name) &&
  (name === 'LINEAR' ? width >= 1 : width > 0);

/**
 * The transformation of a window (PS3.3 C.11.2.1.2.1, C.11.2.1.3).
 * Thrown when its width is too small, or it is made of no numbers: DicomRenderError.
 */
export function windowed(window: Window): Voi {
  if (!isWindow(window)) throw new DicomRenderError('bad-option', 'A window has a center and a positive width');
  const { center, width } = window;
  switch (window.function) {
    case 'LINEAR':
      // Of integers: a window of width w has w of them, from center - w/2 on.
      return ramp(center - 0.5, width - 1);
    case 'LINEAR_EXACT':
      return ramp(center, width);
    case 'SIGMOID':
      return (value) => whitest / (1 + Math.exp((-4 * (value - center)) / width));
  }
}

function ramp(center: number, width: number): Voi {
  const [low, high] = [center - width / 2, center + width / 2];
  return (value) => {
    if (value <= low) return 0;
    return value > high ? whitest : ((value - center) / width + 0.5) * whitest;
  };
}

/** All values between two grey, these two black and white; where they are one, it is black. */
export const ranged = (least: number, greatest: number): Voi => ramp((least + greatest) / 2, greatest - least);

/**
 * What the object says of a frame's VOI: the first VOI LUT, which a writer adds where a window does not do, else the first
 * window (PS3.3 C.11.2: alternatives, of which one is applied), of the frame (C.7.6.16.2.10) or of the object.
 * @param frameNumber from 1
 * @param signed whether the output of the Modality LUT may be negative
 * @returns undefined when it says nothing, or nothing that can be applied: no width, a function nobody defined
 * Thrown when its table is none: DicomRenderError.
 */
export function voiOf(dataset: DicomDataset, frameNumber: number, signed: boolean): Voi | undefined {
  const macro = frameMacro(dataset, frameNumber, 'FrameVOILUTSequence');
  const [item] = macro.sequence('VOILUTSequence');
  if (item) {
    const table = readLookupTable(item, signed);
    const greatest = 2 ** table.bits - 1;
    return (value) => (Math.min(lookUp(table, value), greatest) / greatest) * whitest;
  }
  const window = {
    center: macro.number('WindowCenter') ?? Number.NaN,
    width: macro.number('WindowWidth') ?? Number.NaN,
    function: (macro.string('VOILUTFunction') ?? 'LINEAR') as WindowFunction,
  };
  return isWindow(window) ? windowed(window) : undefined;
}
