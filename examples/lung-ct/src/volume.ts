/** A CT volume as a worker reads it: the fields of `callosum.worker.v1.VolumeHeader` the analysis needs, and the voxels. */
export interface LungVolume {
  readonly columns: number;
  readonly rows: number;
  readonly slices: number;
  /** Column spacing (x), row spacing (y), slice spacing (z) in millimetres. */
  readonly spacingMm: readonly number[];
  /** Row-major 4×4: (column index, row index, slice index, 1) → LPS millimetres at the voxel centre. */
  readonly affine: readonly number[];
  /** Hounsfield units; columns fastest, then rows, then slices. */
  readonly data: Int16Array | Float32Array;
  /** Value of voxels the scanner did not measure; absent when there are none. */
  readonly paddingValueHu?: number | undefined;
}

/** The input is no volume this analysis can read; another attempt would fail as well. */
export class UnusableVolumeError extends Error {
  override readonly name = 'UnusableVolumeError';

  /** `code` is stable: "not-axial", "invalid-geometry", "invalid-size". */
  constructor(
    readonly code: 'not-axial' | 'invalid-geometry' | 'invalid-size',
    message: string,
  ) {
    super(message);
  }
}

/** Size and position of the grid, checked once, in plain numbers. */
export interface Grid {
  readonly columns: number;
  readonly rows: number;
  readonly slices: number;
  /** Millimetres between columns, and between rows. */
  readonly columnMm: number;
  readonly rowMm: number;
  readonly sliceMm: number;
  readonly voxelMl: number;
  readonly pixelMm2: number;
  /** LPS x (to the patient's left) = x0 + xi·column + xj·row + xk·slice, in millimetres. */
  readonly leftward: readonly [xi: number, xj: number, xk: number, x0: number];
  /** Slices ascend to the head. */
  readonly isHeadLast: boolean;
}

/**
 * Reads and checks the geometry. Left and head come from the affine alone: array order says nothing about them.
 * Thrown when the volume is not axial, not a grid, or has not the voxels it claims: UnusableVolumeError.
 */
export function gridOf(volume: LungVolume): Grid {
  const { columns, rows, slices, affine, spacingMm, data } = volume;
  if (![columns, rows, slices].every((n) => Number.isSafeInteger(n) && n > 0))
    throw new UnusableVolumeError('invalid-size', 'Columns, rows and slices must be positive whole numbers');
  if (data.length !== columns * rows * slices)
    throw new UnusableVolumeError('invalid-size', 'The number of voxels is not columns × rows × slices');
  if (affine.length !== 16 || !affine.every(Number.isFinite))
    throw new UnusableVolumeError('invalid-geometry', 'The affine must be sixteen finite numbers');
  const [xi = 0, xj = 0, xk = 0, x0 = 0, yi = 0, yj = 0, yk = 0, , zi = 0, zj = 0, zk = 0] = affine;
  const voxelMm3 = Math.abs(xi * (yj * zk - yk * zj) - xj * (yi * zk - yk * zi) + xk * (yi * zj - yj * zi));
  const [columnMm = 0, rowMm = 0, sliceMm = 0] = spacingMm;
  if (!(voxelMm3 > 0) || ![columnMm, rowMm, sliceMm].every((mm) => mm > 0 && Number.isFinite(mm)))
    throw new UnusableVolumeError('invalid-geometry', 'Spacing and affine must span a volume');
  // Within 45° of axial: the body is closed in each slice, which the method rests on.
  const sliceLength = Math.hypot(xk, yk, zk);
  if (Math.abs(zk) < sliceLength * Math.SQRT1_2) throw new UnusableVolumeError('not-axial', 'Slices must be axial');
  return {
    columns,
    rows,
    slices,
    columnMm,
    rowMm,
    sliceMm,
    voxelMl: voxelMm3 / 1000,
    pixelMm2: columnMm * rowMm,
    leftward: [xi, xj, xk, x0],
    isHeadLast: zk > 0,
  };
}

/** LPS x in millimetres, growing to the patient's left. */
export function leftwardMm({ leftward: [xi, xj, xk, x0] }: Grid, column: number, row: number, slice: number): number {
  return x0 + xi * column + xj * row + xk * slice;
}
