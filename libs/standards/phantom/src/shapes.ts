/** Points and half axes in LPS millimetres: x to the left, y to the back, z to the head. */
export type Point = readonly [number, number, number];

export interface Ellipsoid {
  readonly centre: Point;
  readonly axes: Point;
}

/** A tube of constant radius between two points. */
export interface Tube {
  readonly from: Point;
  readonly to: Point;
  readonly radius: number;
}

/** A grid of voxels, x fastest, then y, then z; `origin` is the centre of the first. */
export interface Grid {
  readonly columns: number;
  readonly rows: number;
  readonly slices: number;
  readonly spacing: Point;
  readonly origin: Point;
}

type Visit = (index: number, x: number, y: number, z: number) => void;

/** Visits voxels whose centres are in an ellipsoid. */
export function visitEllipsoid(grid: Grid, { centre, axes }: Ellipsoid, visit: Visit): void {
  visitBox(
    grid,
    centre.map((c, i) => c - (axes[i] ?? 0)),
    centre.map((c, i) => c + (axes[i] ?? 0)),
    (index, x, y, z) => {
      const [dx, dy, dz] = [(x - centre[0]) / axes[0], (y - centre[1]) / axes[1], (z - centre[2]) / axes[2]];
      if (dx * dx + dy * dy + dz * dz <= 1) visit(index, x, y, z);
    },
  );
}

/** Visits voxels whose centres are within `radius` of the tube's axis; its ends are flat where `capped` is false. */
export function visitTube(grid: Grid, { from, to, radius }: Tube, visit: Visit): void {
  const low = from.map((c, i) => Math.min(c, to[i] ?? c) - radius);
  const high = from.map((c, i) => Math.max(c, to[i] ?? c) + radius);
  const [ax, ay, az] = [to[0] - from[0], to[1] - from[1], to[2] - from[2]];
  const lengthSquared = ax * ax + ay * ay + az * az;
  const radiusSquared = radius * radius;
  visitBox(grid, low, high, (index, x, y, z) => {
    const [px, py, pz] = [x - from[0], y - from[1], z - from[2]];
    const along = Math.max(0, Math.min(1, (px * ax + py * ay + pz * az) / lengthSquared));
    const [dx, dy, dz] = [px - along * ax, py - along * ay, pz - along * az];
    if (dx * dx + dy * dy + dz * dz <= radiusSquared) visit(index, x, y, z);
  });
}

function visitBox(grid: Grid, low: readonly number[], high: readonly number[], visit: Visit): void {
  const [sx, sy, sz] = grid.spacing;
  const [ox, oy, oz] = grid.origin;
  const clamp = (value: number, max: number): number => Math.max(0, Math.min(max, value));
  const first = [ox, oy, oz].map((o, i) => clamp(Math.ceil(((low[i] ?? 0) - o) / (grid.spacing[i] ?? 1)), Infinity));
  const sizes = [grid.columns, grid.rows, grid.slices];
  const last = [ox, oy, oz].map((o, i) =>
    clamp(Math.floor(((high[i] ?? 0) - o) / (grid.spacing[i] ?? 1)), (sizes[i] ?? 1) - 1),
  );
  for (let k = first[2] ?? 0; k <= (last[2] ?? -1); k++) {
    for (let j = first[1] ?? 0; j <= (last[1] ?? -1); j++) {
      const row = (k * grid.rows + j) * grid.columns;
      for (let i = first[0] ?? 0; i <= (last[0] ?? -1); i++) visit(row + i, ox + i * sx, oy + j * sy, oz + k * sz);
    }
  }
}
