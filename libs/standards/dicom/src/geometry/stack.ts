import { GeometryError } from '../errors.js';
import { dot, length, scale, subtract, type Vector } from './vector.js';
import { orientationOf, requireSlice, type InstanceGeometry, type Plane, type PlaneOrientation } from './slice.js';

export type VolumeIrregularity = 'GANTRY_TILT' | 'GAPS' | 'UNEVEN_SPACING';

/** Slices in order along row × column, and the grid they make. */
export interface Stack {
  /** Indices into the given instances, ascending along row × column. */
  readonly order: readonly number[];
  readonly plane: Plane;
  readonly orientation: PlaneOrientation;
  readonly columns: number;
  readonly rows: number;
  /** Column spacing (x), row spacing (y), distance between slices along the normal (z), in millimetres. */
  readonly spacingMm: readonly [number, number, number];
  /** Row-major 4×4: (column, row, slice, 1) → LPS millimetres at the voxel centre. */
  readonly affine: readonly number[];
  readonly irregularities: readonly VolumeIrregularity[];
}

/** Direction cosines of slices of one scan agree to rounding; 0.5° apart is another plane. */
const sameDirectionCosine = Math.cos((0.5 * Math.PI) / 180);
/** Positions closer than this are the same: DS values are written to 0.001 mm or better. */
const samePositionMm = 0.01;
/** Spacing written with few digits wavers by this; half a tenth of a millimetre, or 5 %. */
const unevenMm = 0.05;
const unevenFraction = 0.05;
/** A step of more than this many usual steps has slices missing in it. */
const gapSteps = 1.5;
/** Sideways drift per millimetre of travel: 0.01 is 0.6°, under any tilt a scanner is set to. */
const tiltFraction = 0.01;

/**
 * Stacks single slices into a grid (PS3.3 C.7.6.2.1.1). Order in the list, file names and Instance Number mean
 * nothing here; positions do.
 * Thrown when slices differ in orientation, matrix, spacing or frame of reference, share a position, or lack geometry:
 * GeometryError.
 */
export function stackSlices(instances: readonly InstanceGeometry[]): Stack {
  const first = instances[0];
  if (!first) throw new GeometryError('empty', 'No slices');
  const { plane } = requireSlice(first);
  const located = instances.map((instance, index) => {
    const { plane: own, position } = requireSlice(instance);
    if (dot(own.row, plane.row) < sameDirectionCosine || dot(own.column, plane.column) < sameDirectionCosine) {
      throw new GeometryError('mixed-orientation', 'Slices differ in orientation');
    }
    if (instance.rows !== first.rows || instance.columns !== first.columns)
      throw new GeometryError('mixed-matrix', 'Slices differ in rows or columns');
    if (instance.pixelSpacing.some((mm, i) => Math.abs(mm - (first.pixelSpacing[i] ?? 0)) > 1e-3)) {
      throw new GeometryError('mixed-spacing', 'Slices differ in pixel spacing');
    }
    return { index, position, along: dot(position, plane.normal) };
  });
  located.sort((a, b) => a.along - b.along);
  const positions = located.map(({ position }) => position);
  const { step, irregularities, spacing } = stepOf(
    located.map(({ along }) => along),
    positions,
    plane,
    first.sliceThickness,
  );
  assertOneFrameOfReference(instances, irregularities);
  const [rowSpacing = 0, columnSpacing = 0] = first.pixelSpacing;
  return {
    order: located.map(({ index }) => index),
    plane,
    orientation: orientationOf(plane),
    columns: first.columns,
    rows: first.rows,
    spacingMm: [columnSpacing, rowSpacing, spacing],
    affine: affineOf(scale(plane.row, columnSpacing), scale(plane.column, rowSpacing), step, positions[0] ?? [0, 0, 0]),
    irregularities,
  };
}

/**
 * Positions of two Frames of Reference cannot be compared (PS3.3 C.7.4.1): slices of both are no volume, however well
 * they seem to fit. One lie is known of real scanners and de-identifiers, a frame of its own for every slice: it claims
 * no second coordinate system, and slices that lie in a perfect stack by chance do not exist (docs/adr/0037).
 */
function assertOneFrameOfReference(
  instances: readonly InstanceGeometry[],
  irregularities: readonly VolumeIrregularity[],
): void {
  const frames = new Set(instances.map(({ frameOfReferenceUid }) => frameOfReferenceUid)).size;
  const everySliceItsOwn = frames === instances.length && irregularities.length === 0;
  if (frames > 1 && !everySliceItsOwn)
    throw new GeometryError('mixed-frame-of-reference', 'Slices lie in more than one frame of reference');
}

function affineOf(i: Vector, j: Vector, k: Vector, origin: Vector): number[] {
  return [...[0, 1, 2].flatMap((axis) => [i[axis] ?? 0, j[axis] ?? 0, k[axis] ?? 0, origin[axis] ?? 0]), 0, 0, 0, 1];
}

/** The vector from one slice to the next, and what is irregular about it. */
function stepOf(
  along: readonly number[],
  positions: readonly Vector[],
  plane: Plane,
  thickness: number,
): { step: Vector; spacing: number; irregularities: VolumeIrregularity[] } {
  const count = positions.length;
  const first = positions[0];
  const last = positions[count - 1];
  if (!first || !last || count === 1) {
    const spacing = thickness > 0 ? thickness : 1;
    return { step: scale(plane.normal, spacing), spacing, irregularities: [] };
  }
  const steps = along.slice(1).map((at, i) => at - (along[i] ?? 0));
  if (steps.some((mm) => mm < samePositionMm))
    throw new GeometryError('duplicate-position', 'Two slices share a position');
  const usual = median(steps);
  const tolerance = Math.max(unevenMm, usual * unevenFraction);
  const hasGaps = steps.some((mm) => mm > usual * gapSteps);
  const isUneven = steps.some((mm) => mm <= usual * gapSteps && Math.abs(mm - usual) > tolerance);
  const travel = subtract(last, first);
  const distance = dot(travel, plane.normal);
  const sideways = length(subtract(travel, scale(plane.normal, distance)));
  const isTilted = sideways / distance > tiltFraction;
  const irregularities: VolumeIrregularity[] = [
    ...(isTilted ? (['GANTRY_TILT'] as const) : []),
    ...(hasGaps ? (['GAPS'] as const) : []),
    ...(isUneven ? (['UNEVEN_SPACING'] as const) : []),
  ];
  // The mean step fits a regular stack best; with slices missing, the usual one says what the grid was meant to be.
  const spacing = hasGaps ? usual : distance / (count - 1);
  return { step: scale(travel, spacing / distance), spacing, irregularities };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
