import { componentsOf } from './components.js';
import { dilate } from './morphology.js';
import { leftwardMm, type Grid } from './volume.js';

export const Side = { right: 1, left: 2 } as const;

/** One piece of lung and where it lies. */
export interface Piece {
  readonly component: number;
  readonly voxels: number;
  /** Mean LPS x in millimetres. */
  readonly xMm: number;
  /** Share of its voxels to the left of the middle. */
  readonly leftShare: number;
}

/** Size and place of every component with at least `voxelsMin` voxels. */
export function piecesOf(
  grid: Grid,
  components: ReturnType<typeof componentsOf>,
  voxelsMin: number,
  middleMm: number,
): Piece[] {
  const { columns, rows, leftward } = grid;
  const sum = new Float64Array(components.count);
  const left = new Float64Array(components.count);
  for (let run = 0; run < components.runCount; run++) {
    const number = components.component[run] ?? 0;
    if ((components.size[number] ?? 0) < voxelsMin) continue;
    const start = components.start[run] ?? 0;
    const line = Math.floor(start / columns);
    let x = leftwardMm(grid, start % columns, line % rows, Math.floor(line / rows));
    for (let index = start; index < (components.end[run] ?? 0); index++, x += leftward[0]) {
      sum[number] = (sum[number] ?? 0) + x;
      if (x > middleMm) left[number] = (left[number] ?? 0) + 1;
    }
  }
  const pieces: Piece[] = [];
  components.size.forEach((voxels, component) => {
    if (voxels < voxelsMin) return;
    pieces.push({
      component,
      voxels,
      xMm: (sum[component] ?? 0) / voxels,
      leftShare: (left[component] ?? 0) / voxels,
    });
  });
  return pieces.sort((a, b) => b.voxels - a.voxels);
}

/** Lungs that touch hold this share of their voxels at least on either side of the middle. */
const touchingShareMin = 0.15;
/** Centres of two lungs are further apart. */
const apartMinMm = 50;
/** The smaller lung has this share of the larger one's voxels, when both are there. */
const smallerShareMin = 0.2;
/** Bridges between lungs are membranes of a few millimetres; wearing more off would split lobes. */
const wornMm = [1, 2, 3, 4.5, 6];

/** Replaces 1 in a 0/1 mask of lung by `Side.right` and `Side.left`. */
export function splitSides(grid: Grid, lungs: Uint8Array, bodyMiddleMm: number): void {
  const whole = componentsOf(grid, lungs, 1, true);
  const pieces = piecesOf(grid, whole, 1, bodyMiddleMm);
  const [first, second] = pieces;
  if (!first) return;
  const arePaired =
    second !== undefined && second.voxels >= smallerShareMin * first.voxels && isApart(first.xMm, second.xMm);
  const areTouching = !arePaired && Math.min(first.leftShare, 1 - first.leftShare) >= touchingShareMin;
  if (areTouching && splitTouching(grid, lungs, bodyMiddleMm)) return;
  const middle = arePaired ? (first.xMm + second.xMm) / 2 : bodyMiddleMm;
  const sideOf = new Uint8Array(whole.count);
  for (const { component, xMm } of pieces) sideOf[component] = xMm > middle ? Side.left : Side.right;
  for (let run = 0; run < whole.runCount; run++) {
    const start = whole.start[run] ?? 0;
    const end = whole.end[run] ?? 0;
    const number = whole.component[run] ?? 0;
    // Without a membrane to part them at, the middle of the body parts them.
    if (areTouching && number === first.component) cutAtMiddle(grid, lungs, start, end, middle);
    else lungs.fill(sideOf[number] ?? Side.right, start, end);
  }
}

const isApart = (a: number, b: number): boolean => Math.abs(a - b) >= apartMinMm;

function cutAtMiddle(grid: Grid, lungs: Uint8Array, start: number, end: number, middleMm: number): void {
  const { columns, rows, leftward } = grid;
  const line = Math.floor(start / columns);
  let x = leftwardMm(grid, start % columns, line % rows, Math.floor(line / rows));
  for (let index = start; index < end; index++, x += leftward[0]) lungs[index] = x > middleMm ? Side.left : Side.right;
}

/** Wears the lungs off until they part, then lets both grow back. False when they do not part. */
function splitTouching(grid: Grid, lungs: Uint8Array, bodyMiddleMm: number): boolean {
  for (const mm of wornMm) {
    const worn = lungs.slice();
    dilate(grid, worn, 0, mm);
    const parts = componentsOf(grid, worn, 1, true);
    const pieces = piecesOf(grid, parts, 1, bodyMiddleMm);
    const [first, second] = pieces;
    if (!first || !second) continue;
    if (second.voxels < smallerShareMin * first.voxels || !isApart(first.xMm, second.xMm)) continue;
    const middle = (first.xMm + second.xMm) / 2;
    const sideOf = new Uint8Array(parts.count);
    for (const { component, xMm } of pieces) sideOf[component] = xMm > middle ? Side.left : Side.right;
    for (let run = 0; run < parts.runCount; run++) {
      worn.fill(sideOf[parts.component[run] ?? 0] ?? 0, parts.start[run], parts.end[run]);
    }
    growBack(grid, lungs, worn);
    return true;
  }
  return false;
}

/** Gives every voxel of the lungs the side nearest to it along a way inside the lungs. */
function growBack(grid: Grid, lungs: Uint8Array, sides: Uint8Array): void {
  const neighbours = new Int32Array(6);
  let front: number[] = [];
  // Growth starts from where something was worn off: a thin shell, not whole lungs.
  for (let index = 0; index < sides.length; index++) {
    if (lungs[index] === 1 && sides[index] === 0) {
      const count = neighboursOf(grid, index, neighbours);
      for (let n = 0; n < count; n++) if ((sides[neighbours[n] ?? 0] ?? 0) !== 0) front.push(neighbours[n] ?? 0);
    }
  }
  while (front.length > 0) {
    const next: number[] = [];
    for (const index of front) {
      const count = neighboursOf(grid, index, neighbours);
      for (let n = 0; n < count; n++) {
        const neighbour = neighbours[n] ?? 0;
        if (lungs[neighbour] !== 1 || sides[neighbour] !== 0) continue;
        sides[neighbour] = sides[index] ?? 0;
        next.push(neighbour);
      }
    }
    front = next;
  }
  // What the growth cannot reach are crumbs that wearing off parted from both: they go to neither lung.
  for (let index = 0; index < lungs.length; index++) if (lungs[index] === 1) lungs[index] = sides[index] ?? 0;
}

/** Writes the neighbours by face into `out`; returns how many there are. */
function neighboursOf({ columns, rows, slices }: Grid, index: number, out: Int32Array): number {
  const plane = columns * rows;
  const column = index % columns;
  const row = Math.floor(index / columns) % rows;
  let count = 0;
  if (column > 0) out[count++] = index - 1;
  if (column < columns - 1) out[count++] = index + 1;
  if (row > 0) out[count++] = index - columns;
  if (row < rows - 1) out[count++] = index + columns;
  if (index >= plane) out[count++] = index - plane;
  if (index < plane * (slices - 1)) out[count++] = index + plane;
  return count;
}
