import { Air } from './body.js';
import { componentsOf, type Components } from './components.js';
import { dilate, touchesBorder } from './morphology.js';
import type { Grid, LungVolume } from './volume.js';

/** Cross-section of a trachea, from a child's to an enlarged one. */
const tracheaMm2 = { min: 40, max: 700 };
/** Share of its cross-section that is air rather than wall and blur; lung has next to none. */
const airShareMin = 0.5;
const airHu = -900;
/** Width over height of its box, either way round, and share of the box it fills: a circle has 1 and 0.79. */
const roundness = { ratioMax: 2.5, fillMin: 0.5 };
/** From the middle of the body. */
const offCentreMaxMm = 40;
/** Between neighbouring slices; steep bends of the trachea stay below it. */
const driftMaxMm = 8;
/** A row of round gaps shorter than this is no trachea, unless the field of view cuts it at the head's end. */
const lengthMinMm = 15;

/** Trachea and main bronchi of a large adult; beyond it the growth has broken into a lung. */
const airwayMaxMl = 150;
/** Growth from one threshold to the next; a leak multiplies the volume. */
const growthMax = 1.5;
const thresholdsHu = { first: -950, last: -800, step: 25 };
/** Wall and its blur. */
const wallMm = 2;

interface Gap {
  readonly component: number;
  readonly slice: number;
  /** Centre in columns and rows. */
  readonly column: number;
  readonly row: number;
}

/**
 * Takes trachea and main bronchi off the air inside the body: their voxels become `Air.airway`. The seed is a chain of
 * round gaps of pure air near the middle, from the head down, and, where the first slice from the head goes through
 * lung, the chains that begin in it, however short: there the field of view cuts the airway, and a round gap of pure air
 * with a wall of its own is no lung. It grows at rising thresholds and stops before it leaks. Returns the millilitres
 * taken; 0 when the volume shows no airway.
 */
export function removeAirway(volume: LungVolume, grid: Grid, air: Uint8Array, bodyMiddleMm: number): number {
  const perSlice = componentsOf(grid, air, Air.inside, false);
  const chains = chainsOf(gapsOf(volume, grid, perSlice, bodyMiddleMm), grid);
  const cut = headEndCutsLung(grid, perSlice) ? chains.filter(([gap]) => gap?.slice === headSlice(grid)) : [];
  const seeds = new Set([tracheaOf(chains, grid), ...cut].flat().map(({ component }) => component));
  if (seeds.size === 0) return 0;
  const airway = new Uint8Array(air.length);
  for (let run = 0; run < perSlice.runCount; run++) {
    if (seeds.has(perSlice.component[run] ?? -1)) airway.fill(1, perSlice.start[run], perSlice.end[run]);
  }
  const voxels = grow(volume, grid, air, airway);
  dilate(grid, airway, 1, wallMm);
  for (let index = 0; index < air.length; index++) {
    if (airway[index] === 1 && air[index] === Air.inside) air[index] = Air.airway;
  }
  return voxels * grid.voxelMl;
}

/** Round gaps of air near the middle, by slice. */
function gapsOf({ data }: LungVolume, grid: Grid, components: Components, bodyMiddleMm: number): Gap[] {
  const { columns, rows, pixelMm2, columnMm, rowMm, leftward } = grid;
  const boxes = boxesOf(data, grid, components);
  const isCut = touchesBorder(grid, components);
  const gaps: Gap[] = [];
  for (let component = 0; component < components.count; component++) {
    const size = components.size[component] ?? 0;
    const area = size * pixelMm2;
    if (area < tracheaMm2.min || area > tracheaMm2.max || isCut[component] === 1) continue;
    const [low = 0, sumColumn = 0, sumRow = 0, left = 0, right = 0, top = 0, bottom = 0, slice = 0] = boxes.subarray(
      component * 8,
      component * 8 + 8,
    );
    const width = (right - left) * columnMm;
    const height = (bottom - top) * rowMm;
    const ratio = Math.max(width / height, height / width);
    const isRound = ratio <= roundness.ratioMax && area >= roundness.fillMin * width * height;
    if (!isRound || low < airShareMin * size) continue;
    const [column, row] = [sumColumn / size, sumRow / size];
    const [xi, xj, xk, x0] = leftward;
    if (Math.abs(x0 + xi * column + xj * row + xk * slice - bodyMiddleMm) > offCentreMaxMm) continue;
    if (column < columns && row < rows) gaps.push({ component, slice, column, row });
  }
  return gaps;
}

/** For each component: voxels of pure air, sums of column and row, box (left, right, top, bottom; ends exclusive), slice. */
function boxesOf(data: LungVolume['data'], { columns, rows }: Grid, components: Components): Float64Array {
  const boxes = new Float64Array(components.count * 8);
  const seen = new Uint8Array(components.count);
  for (let run = 0; run < components.runCount; run++) {
    const start = components.start[run] ?? 0;
    const end = components.end[run] ?? 0;
    const line = Math.floor(start / columns);
    const row = line % rows;
    const column = start % columns;
    const component = components.component[run] ?? 0;
    const box = boxes.subarray(component * 8, component * 8 + 8);
    let low = 0;
    for (let index = start; index < end; index++) if ((data[index] ?? 0) < airHu) low++;
    const length = end - start;
    const isFirst = seen[component] === 0;
    seen[component] = 1;
    const [b0 = 0, b1 = 0, b2 = 0, left = 0, right = 0, top = 0, bottom = 0] = box;
    box[0] = b0 + low;
    box[1] = b1 + length * (column + (length - 1) / 2);
    box[2] = b2 + length * row;
    box[3] = isFirst ? column : Math.min(left, column);
    box[4] = isFirst ? column + length : Math.max(right, column + length);
    box[5] = isFirst ? row : Math.min(top, row);
    box[6] = isFirst ? row + 1 : Math.max(bottom, row + 1);
    box[7] = Math.floor(line / rows);
  }
  return boxes;
}

const headSlice = ({ isHeadLast, slices }: Grid): number => (isHeadLast ? slices - 1 : 0);

/** Chains of gaps from slice to slice, in the order in which they end; each from the head down. */
function chainsOf(gaps: readonly Gap[], grid: Grid): readonly (readonly Gap[])[] {
  const bySlice = new Map<number, Gap[]>();
  for (const gap of gaps) bySlice.set(gap.slice, [...(bySlice.get(gap.slice) ?? []), gap]);
  const step = grid.isHeadLast ? -1 : 1;
  const chains: Gap[][] = [];
  let open: Gap[][] = [];
  for (let n = 0, slice = headSlice(grid); n < grid.slices; n++, slice += step) {
    for (const gap of bySlice.get(slice) ?? []) {
      const chain = open.find((one) => isNext(one.at(-1), gap, grid));
      if (chain) chain.push(gap);
      else open.push([gap]);
    }
    chains.push(...open.filter((chain) => chain.at(-1)?.slice !== slice));
    open = open.filter((chain) => chain.at(-1)?.slice === slice);
  }
  return [...chains, ...open];
}

/** The longest chain; of two alike, the one that ends nearer to the head. Empty when it is too short for a trachea. */
function tracheaOf(chains: readonly (readonly Gap[])[], grid: Grid): readonly Gap[] {
  const longest = chains.reduce((best, chain) => (chain.length > best.length ? chain : best), []);
  return longest.length * grid.sliceMm >= lengthMinMm ? longest : [];
}

/** Whether the first slice from the head holds air wider than any airway: then more of the chest lies above it. */
function headEndCutsLung(grid: Grid, perSlice: Components): boolean {
  const plane = grid.columns * grid.rows;
  const head = headSlice(grid);
  for (let run = 0; run < perSlice.runCount; run++) {
    const area = (perSlice.size[perSlice.component[run] ?? 0] ?? 0) * grid.pixelMm2;
    if (area > tracheaMm2.max && Math.floor((perSlice.start[run] ?? 0) / plane) === head) return true;
  }
  return false;
}

function isNext(last: Gap | undefined, gap: Gap, { columnMm, rowMm, sliceMm }: Grid): boolean {
  if (last === undefined || Math.abs(last.slice - gap.slice) !== 1) return false;
  const drift = Math.hypot((last.column - gap.column) * columnMm, (last.row - gap.row) * rowMm);
  return drift <= driftMaxMm + sliceMm / 2;
}

/** Adds to the seed the air connected to it, at the highest threshold before it leaks. Returns its voxels. */
function grow({ data }: LungVolume, grid: Grid, air: Uint8Array, airway: Uint8Array): number {
  const seedVoxels = airway.reduce((sum, value) => sum + value, 0);
  const mask = new Uint8Array(air.length);
  let previous = seedVoxels;
  let accepted: Uint8Array | undefined;
  for (let hu = thresholdsHu.first; hu <= thresholdsHu.last; hu += thresholdsHu.step) {
    for (let index = 0; index < air.length; index++) {
      mask[index] = airway[index] === 1 || (air[index] === Air.inside && (data[index] ?? 0) < hu) ? 1 : 0;
    }
    const voxels = keepSeeded(grid, mask, airway);
    const isFirst = accepted === undefined;
    if (voxels * grid.voxelMl > airwayMaxMl || (!isFirst && voxels > growthMax * previous)) break;
    previous = voxels;
    accepted = mask.slice();
  }
  if (accepted) airway.set(accepted);
  return previous;
}

/** Leaves in the mask only what is connected to a seed; returns its voxels. */
function keepSeeded(grid: Grid, mask: Uint8Array, seed: Uint8Array): number {
  const parts = componentsOf(grid, mask, 1, true);
  const isKept = new Uint8Array(parts.count);
  for (let run = 0; run < parts.runCount; run++) {
    for (let index = parts.start[run] ?? 0; index < (parts.end[run] ?? 0); index++) {
      if (seed[index] === 1) isKept[parts.component[run] ?? 0] = 1;
    }
  }
  let voxels = 0;
  for (let run = 0; run < parts.runCount; run++) {
    if (isKept[parts.component[run] ?? 0] === 1) voxels += (parts.end[run] ?? 0) - (parts.start[run] ?? 0);
    else mask.fill(0, parts.start[run], parts.end[run]);
  }
  return voxels;
}
