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
  for (let slice = 0; slice < slices; slice++) {
    // All runs of the slice first: what is set from here on is no source.
    const runs = runsOf(mask, value, slice * rows * columns, (slice + 1) * rows * columns, columns);
    for (let n = 0; n < runs.length; n += 2) {
      const start = runs[n] ?? 0;
      const line = Math.floor(start / columns);
      const row = line - slice * rows;
      const column = start - line * columns;
      const endColumn = (runs[n + 1] ?? 0) - line * columns;
      for (let other = Math.max(0, row - halfRows); other <= Math.min(rows - 1, row + halfRows); other++) {
        const within = reach[Math.abs(other - row)] ?? 0;
        const from = (slice * rows + other) * columns;
        mask.fill(value, from + Math.max(0, column - within), from + Math.min(columns, endColumn + within));
      }
    }
  }
}

/** Start and end index of every run of `value`, row by row. */
function runsOf(mask: Uint8Array, value: number, from: number, to: number, columns: number): number[] {
  const runs: number[] = [];
  for (let line = from; line < to; line += columns) {
    for (let index = line; index < line + columns; index++) {
      if (mask[index] !== value) continue;
      const start = index;
      while (index < line + columns && mask[index] === value) index++;
      runs.push(start, index);
    }
  }
  return runs;
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
