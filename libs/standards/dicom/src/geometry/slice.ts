import type { DicomDataset } from '../dataset.js';
import { GeometryError } from '../errors.js';
import { cross, dot, length, vectorAt, type Vector } from './vector.js';

/**
 * The geometry of one instance; the fields of `callosum.imaging.v1.Instance`. Lists are empty and numbers 0 when the
 * attribute is absent.
 */
export interface InstanceGeometry {
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly instanceNumber?: number | undefined;
  readonly numberOfFrames: number;
  readonly rows: number;
  readonly columns: number;
  readonly imageType: readonly string[];
  /** x, y, z of the centre of the first voxel, in LPS millimetres (PS3.3 C.7.6.2.1.1). */
  readonly imagePositionPatient: readonly number[];
  /** Row, then column direction cosines. */
  readonly imageOrientationPatient: readonly number[];
  /** Row spacing, column spacing in millimetres. */
  readonly pixelSpacing: readonly number[];
  readonly sliceThickness: number;
  /** True when Rescale Slope and Intercept give Hounsfield units. */
  readonly hasRescale: boolean;
  readonly frameOfReferenceUid: string;
}

/** Reads the geometry of an instance from its header. Values that are not numbers are left out. */
export function instanceGeometry(dataset: DicomDataset): InstanceGeometry {
  const instanceNumber = dataset.number('InstanceNumber');
  return {
    sopInstanceUid: dataset.string('SOPInstanceUID') ?? '',
    sopClassUid: dataset.string('SOPClassUID') ?? '',
    instanceNumber: instanceNumber === undefined ? undefined : int32(instanceNumber),
    numberOfFrames: Math.max(1, int32(dataset.number('NumberOfFrames') ?? 1)),
    rows: dataset.number('Rows') ?? 0,
    columns: dataset.number('Columns') ?? 0,
    imageType: dataset.strings('ImageType'),
    imagePositionPatient: exactly(dataset.numbers('ImagePositionPatient'), 3),
    imageOrientationPatient: exactly(dataset.numbers('ImageOrientationPatient'), 6),
    pixelSpacing: exactly(dataset.numbers('PixelSpacing'), 2),
    sliceThickness: dataset.number('SliceThickness') ?? 0,
    hasRescale: hasHounsfieldRescale(dataset),
    frameOfReferenceUid: dataset.string('FrameOfReferenceUID') ?? '',
  };
}

const int32 = (value: number | undefined): number =>
  value !== undefined && Number.isInteger(value) && Math.abs(value) <= 0x7fffffff ? value : 0;
const exactly = (values: readonly number[], count: number): number[] =>
  values.length === count && values.every(Number.isFinite) ? [...values] : [];

/** CT Rescale Type is HU, or absent in older objects; US means "unspecified" (PS3.3 C.11.1.1.2). */
function hasHounsfieldRescale(dataset: DicomDataset): boolean {
  if (dataset.number('RescaleSlope') === undefined || dataset.number('RescaleIntercept') === undefined) return false;
  if (dataset.string('Modality') !== 'CT') return false;
  const type = dataset.string('RescaleType');
  return type === undefined || type === 'HU';
}

export type PlaneOrientation = 'AXIAL' | 'CORONAL' | 'SAGITTAL' | 'OBLIQUE';

/** Direction cosines of one plane. */
export interface Plane {
  /** Along a row, that is, towards the next column. */
  readonly row: Vector;
  /** Along a column, that is, towards the next row. */
  readonly column: Vector;
  /** row × column. */
  readonly normal: Vector;
}

/** Direction cosines may be rounded to this much when they are written with few digits. */
const orthonormalTolerance = 1e-2;

/** The plane of Image Orientation (Patient); undefined when it is absent or no pair of orthogonal unit vectors. */
export function planeOf(imageOrientationPatient: readonly number[]): Plane | undefined {
  const row = vectorAt(imageOrientationPatient, 0);
  const column = vectorAt(imageOrientationPatient, 3);
  if (!row || !column) return undefined;
  const bad = Math.abs(length(row) - 1) > orthonormalTolerance || Math.abs(length(column) - 1) > orthonormalTolerance;
  if (bad || Math.abs(dot(row, column)) > orthonormalTolerance) return undefined;
  return { row, column, normal: cross(row, column) };
}

/** Planes within 37° of a patient plane go by its name: a gantry tilts by at most 30°. */
const namedCosine = 0.8;

/** The name of a plane by its normal, whatever ImageType says. */
export function orientationOf(plane: Plane): PlaneOrientation {
  const [x, y, z] = plane.normal.map(Math.abs) as [number, number, number];
  if (z >= namedCosine) return 'AXIAL';
  if (y >= namedCosine) return 'CORONAL';
  return x >= namedCosine ? 'SAGITTAL' : 'OBLIQUE';
}

/** Thrown when an instance is no single slice with position, orientation and spacing: GeometryError. */
export function requireSlice(instance: InstanceGeometry): { plane: Plane; position: Vector } {
  if (instance.numberOfFrames > 1) throw new GeometryError('multi-frame', 'A multi-frame object is no single slice');
  if (instance.rows === 0 || instance.columns === 0)
    throw new GeometryError('not-a-slice', 'An instance has no pixel matrix');
  const position = vectorAt(instance.imagePositionPatient, 0);
  if (!position) throw new GeometryError('missing-position', 'An instance has no Image Position (Patient)');
  const plane = planeOf(instance.imageOrientationPatient);
  if (!plane) throw new GeometryError('missing-orientation', 'An instance has no valid Image Orientation (Patient)');
  if (instance.pixelSpacing.length !== 2 || instance.pixelSpacing.some((mm) => !(mm > 0))) {
    throw new GeometryError('missing-spacing', 'An instance has no valid Pixel Spacing');
  }
  return { plane, position };
}
