import { componentsOf, largestOf, paint } from './components.js';
import { dilate, touchesBorder } from './morphology.js';
import type { Grid, LungVolume } from './volume.js';

/** Between fat (about -100 HU) and what a mattress or a blanket is made of. */
const tissueMinHu = -300;
/**
 * Half of what is thinner than this is table top or clothing where it touches the skin; the chest wall is thicker
 * everywhere.
 */
const thinMm = 3;
/**
 * Midway between aerated lung (about -850 HU) and soft tissue (about +50 HU): at a blurred edge the voxel that is
 * half lung decides.
 */
export const airMaxHu = -400;
/** Nothing in a scanner is less dense than air (-1000 HU) by more than noise; scanners fill corners with such values. */
const fillMaxHu = -1200;
/** Air around the body stays near -1000 HU; lung cut open by the field of view does not. */
const outsideAirMeanMaxHu = -930;
/** A cut lung smaller than this in a slice is no more than a fold of skin or cloth. */
const cutLungMinMm2 = 300;

/** What a voxel of `AirMap.map` is. */
export const Air = { none: 0, inside: 1, beyond: 2, airway: 3 } as const;

export interface AirMap {
  /**
   * `Air.inside`: below `airMaxHu` and enclosed by the body. `Air.beyond`: not measured by the scanner. `Air.airway`:
   * what `removeAirway` took from the first.
   */
  readonly map: Uint8Array<ArrayBuffer>;
  /** Mean LPS x of the body in millimetres: where its middle is, when nothing better is known. */
  readonly bodyMiddleMm: number;
}

/** Air inside the body: the table and all around it are taken off, the field of view's border is known. */
export function airInside(volume: LungVolume, grid: Grid): AirMap {
  const mask = bodyMask(volume, grid);
  const bodyMiddleMm = middleOf(mask, grid);
  const { data } = volume;
  const around = componentsOf(grid, mask, 0, false);
  const isOpen = touchesBorder(grid, around);
  const isCut = cutLungs(data, around, isOpen, grid, volume.paddingValueHu);
  const map = new Uint8Array(data.length);
  for (let run = 0; run < around.runCount; run++) {
    const number = around.component[run] ?? 0;
    const isInside = isOpen[number] !== 1 || isCut[number] === 1;
    for (let index = around.start[run] ?? 0; index < (around.end[run] ?? 0); index++) {
      const hu = data[index] ?? 0;
      if (isUnmeasured(hu, volume.paddingValueHu) && isOpen[number] === 1) map[index] = Air.beyond;
      else if (isInside && hu < airMaxHu) map[index] = Air.inside;
    }
  }
  return { map, bodyMiddleMm };
}

const isUnmeasured = (hu: number, padding: number | undefined): boolean => hu === padding || hu < fillMaxHu;

/** The largest piece of tissue, after what is thin (the table top, clothing) has been worn away. */
function bodyMask({ data }: LungVolume, grid: Grid): Uint8Array<ArrayBuffer> {
  const mask = new Uint8Array(data.length);
  for (let index = 0; index < data.length; index++) if ((data[index] ?? 0) > tissueMinHu) mask[index] = 1;
  dilate(grid, mask, 0, thinMm);
  const pieces = componentsOf(grid, mask, 1, true);
  const body = largestOf(pieces);
  paint(pieces, mask, (component) => (component === body ? 1 : 0));
  dilate(grid, mask, 1, thinMm);
  for (let index = 0; index < data.length; index++) if ((data[index] ?? 0) <= tissueMinHu) mask[index] = 0;
  return mask;
}

function middleOf(mask: Uint8Array, grid: Grid): number {
  const { columns, rows, slices, leftward } = grid;
  const [xi, xj, xk, x0] = leftward;
  let [count, sum] = [0, 0];
  for (let slice = 0, index = 0; slice < slices; slice++) {
    for (let row = 0; row < rows; row++) {
      const x = x0 + xj * row + xk * slice;
      for (let column = 0; column < columns; column++, index++) {
        if (mask[index] !== 1) continue;
        count++;
        sum += x + xi * column;
      }
    }
  }
  return count > 0 ? sum / count : 0;
}

/**
 * Pieces around the body that reach the border of the slice and still are lung, by their density: the field of view
 * is smaller than the chest.
 */
function cutLungs(
  data: LungVolume['data'],
  around: ReturnType<typeof componentsOf>,
  isOpen: Uint8Array,
  { pixelMm2 }: Grid,
  padding: number | undefined,
): Uint8Array {
  const count = new Int32Array(around.count);
  const sum = new Float64Array(around.count);
  for (let run = 0; run < around.runCount; run++) {
    const number = around.component[run] ?? 0;
    if (isOpen[number] !== 1) continue;
    for (let index = around.start[run] ?? 0; index < (around.end[run] ?? 0); index++) {
      const hu = data[index] ?? 0;
      if (hu >= airMaxHu || isUnmeasured(hu, padding)) continue;
      count[number] = (count[number] ?? 0) + 1;
      sum[number] = (sum[number] ?? 0) + hu;
    }
  }
  return Uint8Array.from(count, (voxels, number) =>
    voxels * pixelMm2 > cutLungMinMm2 && (sum[number] ?? 0) / voxels > outsideAirMeanMaxHu ? 1 : 0,
  );
}
