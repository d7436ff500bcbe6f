import { componentsOf } from './components.js';
import type { Grid } from './volume.js';

/**
 * Sets to `value` every voxel within `radiusMm` of a voxel of that value, inside its slice: slices of a chest CT are
 * often too far apart for a ball. What lies beyond the image counts as unset.
 */
export function dilate(grid: Grid, mask: Uint8Array, value: number, radiusMm: number): void {
  const { columns, rows, slices } = grid;
  const halfRows = Math.floor(radiusMm / grid.rowMm);
  // How far a disk reaches along the row, at each distance in rows.
  const reach = Int32Array.from({ length: halfRows + 1 }, (_, dy) =>
    Math.floor(Math.sqrt(Math.max(0, radiusMm ** 2 - (dy * grid.rowMm) ** 2)) / grid.columnMm),
  );
  const distance = new Uint16Array(columns * rows);
  for (let slice = 0; slice < slices; slice++) {
    const base = slice * columns * rows;
    if (!rowDistances(mask, value, base, columns, rows, distance)) continue;
    for (let row = 0; row < rows; row++) {
      const low = Math.max(0, row - halfRows);
      const high = Math.min(rows - 1, row + halfRows);
      for (let other = low; other <= high; other++) {
        const within = reach[Math.abs(other - row)] ?? 0;
        const from = other * columns;
        const to = base + row * columns;
        for (let column = 0; column < columns; column++) {
          if ((distance[from + column] ?? 0) <= within) mask[to + column] = value;
        }
      }
    }
  }
}

const far = 0xffff;

/** Columns from each pixel to the nearest one of `value` in its row; false when the slice has none. */
function rowDistances(
  mask: Uint8Array,
  value: number,
  base: number,
  columns: number,
  rows: number,
  distance: Uint16Array,
): boolean {
  let isAny = false;
  for (let row = 0; row < rows; row++) {
    const at = row * columns;
    let last = far;
    for (let column = 0; column < columns; column++) {
      if (mask[base + at + column] === value) {
        last = 0;
        isAny = true;
      } else if (last < far) last++;
      distance[at + column] = last;
    }
    last = far;
    for (let column = columns - 1; column >= 0; column--) {
      const forward = distance[at + column] ?? far;
      if (forward === 0) last = 0;
      else if (last < far) last++;
      if (last < forward) distance[at + column] = last;
    }
  }
  return isAny;
}

/** Holes of a 0/1 mask: in each slice, what is unset and not connected to the slice's border becomes set. */
export function fillHoles(grid: Grid, mask: Uint8Array): void {
  const holes = componentsOf(grid, mask, 0, false);
  const isOpen = touchesBorder(grid, holes);
  for (let run = 0; run < holes.runCount; run++) {
    if (isOpen[holes.component[run] ?? 0] !== 1) mask.fill(1, holes.start[run], holes.end[run]);
  }
}

/** For each component, 1 when it reaches the border of its slice. */
export function touchesBorder(
  { columns, rows }: Grid,
  components: ReturnType<typeof componentsOf>,
): Uint8Array<ArrayBuffer> {
  const touches = new Uint8Array(components.count);
  for (let run = 0; run < components.runCount; run++) {
    const start = components.start[run] ?? 0;
    const row = Math.floor(start / columns) % rows;
    const column = start % columns;
    const length = (components.end[run] ?? 0) - start;
    if (row === 0 || row === rows - 1 || column === 0 || column + length === columns)
      touches[components.component[run] ?? 0] = 1;
  }
  return touches;
}
