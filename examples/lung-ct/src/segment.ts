import { removeAirway } from './airway.js';
import { Air, airInside } from './body.js';
import { componentsOf, paint, type Components } from './components.js';
import { dilate, fillHoles } from './morphology.js';
import { Side, splitSides } from './sides.js';
import type { Grid, LungVolume } from './volume.js';

/** The smallest first piece still taken for a lung: half of an infant's. */
const lungMinMl = 40;
/** Further pieces, as a share of the largest: a lung cut by the field of view, a lobe behind an effusion. */
const pieceShareMin = 0.05;
/** Gas in bowel, stomach or oesophagus has a median near -1000 HU, lung with severe emphysema about -930 HU. */
const lungMedianHu = { min: -960, max: -500 };
/** Vessels up to twice this width are closed where they leave the lung; inside it their size does not matter. */
const closingMm = 4;

export interface LungSegmentation {
  /** One byte a voxel, as the volume: 0 elsewhere, 1 right lung, 2 left lung. */
  readonly labelMap: Uint8Array<ArrayBuffer>;
  readonly isTruncatedCranially: boolean;
  readonly isTruncatedCaudally: boolean;
  readonly isTruncatedInPlane: boolean;
}

/** Right and left lung of a chest CT, airway excluded, vessels included. An empty mask when there is no lung. */
export function segmentLungs(volume: LungVolume, grid: Grid): LungSegmentation {
  const { map, bodyMiddleMm } = airInside(volume, grid);
  removeAirway(volume, grid, map, bodyMiddleMm);
  const lungs = lungPieces(volume, grid, map);
  splitSides(grid, lungs, bodyMiddleMm);
  const labelMap = new Uint8Array(map.length);
  for (const side of [Side.right, Side.left]) closeVessels(grid, lungs, map, labelMap, side);
  return { labelMap, ...truncation(grid, labelMap, map) };
}

/** 0/1 mask of the pieces of air that are lung by size and density. */
function lungPieces({ data }: LungVolume, grid: Grid, map: Uint8Array): Uint8Array<ArrayBuffer> {
  const pieces = componentsOf(grid, map, Air.inside, true);
  const candidates = [...pieces.size.keys()]
    .filter((n) => (pieces.size[n] ?? 0) * grid.voxelMl >= lungMinMl * pieceShareMin)
    .sort((a, b) => (pieces.size[b] ?? 0) - (pieces.size[a] ?? 0));
  const medians = mediansOf(data, pieces, candidates);
  const dense = candidates.filter((n) => {
    const median = medians.get(n) ?? 0;
    return median > lungMedianHu.min && median < lungMedianHu.max;
  });
  const largest = pieces.size[dense[0] ?? -1] ?? 0;
  const lungs = new Uint8Array(map.length);
  if (largest * grid.voxelMl < lungMinMl) return lungs;
  const taken = new Set(dense.filter((n) => (pieces.size[n] ?? 0) >= pieceShareMin * largest));
  paint(pieces, lungs, (component) => (taken.has(component) ? 1 : 0));
  return lungs;
}

const histogram = { lowHu: -1200, binHu: 4, bins: 256 };

/** Median Hounsfield value of each of some components, to the width of a bin. */
function mediansOf(data: LungVolume['data'], pieces: Components, chosen: readonly number[]): Map<number, number> {
  const counts = new Map(chosen.map((n) => [n, new Int32Array(histogram.bins)]));
  for (let run = 0; run < pieces.runCount; run++) {
    const bins = counts.get(pieces.component[run] ?? -1);
    if (!bins) continue;
    for (let index = pieces.start[run] ?? 0; index < (pieces.end[run] ?? 0); index++) {
      const bin = Math.floor(((data[index] ?? 0) - histogram.lowHu) / histogram.binHu);
      const inside = Math.max(0, Math.min(histogram.bins - 1, bin));
      bins[inside] = (bins[inside] ?? 0) + 1;
    }
  }
  return new Map(
    [...counts].map(([n, bins]) => {
      let left = (pieces.size[n] ?? 0) / 2;
      const bin = bins.findIndex((voxels) => (left -= voxels) <= 0);
      return [n, histogram.lowHu + (bin + 0.5) * histogram.binHu];
    }),
  );
}

/**
 * Adds to one lung its vessels: gaps narrower than twice `closingMm`, and what the lung encloses in a slice. A bronchus
 * it encloses stays airway.
 */
function closeVessels(grid: Grid, lungs: Uint8Array, map: Uint8Array, labelMap: Uint8Array, side: number): void {
  const mask = new Uint8Array(lungs.length);
  for (let index = 0; index < lungs.length; index++) if (lungs[index] === side) mask[index] = 1;
  dilate(grid, mask, 1, closingMm);
  dilate(grid, mask, 0, closingMm);
  fillHoles(grid, mask);
  const other = side === Side.right ? Side.left : Side.right;
  for (let index = 0; index < lungs.length; index++) {
    const isMine = lungs[index] === side || (mask[index] === 1 && lungs[index] !== other && map[index] !== Air.airway);
    if (isMine && labelMap[index] === 0) labelMap[index] = side;
  }
}

/** Where lung reaches what the scan does not show. */
function truncation(grid: Grid, labelMap: Uint8Array, map: Uint8Array): Omit<LungSegmentation, 'labelMap'> {
  const { columns, rows, slices, isHeadLast } = grid;
  const plane = columns * rows;
  const isLung = (label: number): boolean => label !== 0;
  const isInFirst = labelMap.subarray(0, plane).some(isLung);
  const isInLast = labelMap.subarray((slices - 1) * plane).some(isLung);
  return {
    isTruncatedCranially: isHeadLast ? isInLast : isInFirst,
    isTruncatedCaudally: isHeadLast ? isInFirst : isInLast,
    isTruncatedInPlane: reachesBorder(columns, rows, labelMap, map),
  };
}

/** Whether a labelled voxel is at the border of its slice or beside one the scanner did not measure. */
function reachesBorder(columns: number, rows: number, labelMap: Uint8Array, map: Uint8Array): boolean {
  for (let index = 0; index < labelMap.length; index++) {
    if (labelMap[index] === 0) continue;
    const column = index % columns;
    const row = Math.floor(index / columns) % rows;
    if (column === 0 || column === columns - 1 || row === 0 || row === rows - 1) return true;

    if (map[index - 1] === Air.beyond || map[index + 1] === Air.beyond) return true;
    if (map[index - columns] === Air.beyond || map[index + columns] === Air.beyond) return true;
  }
  return false;
}
