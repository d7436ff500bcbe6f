import type { DicomDataset } from '../dataset.js';
import { GeometryError } from '../errors.js';
import { type InstanceGeometry, instanceGeometry } from './slice.js';
import { stackSlices, type VolumeIrregularity } from './stack.js';

/** Describes a volume; the fields of `callosum.worker.v1.VolumeHeader`, its enums by their short names. */
export interface VolumeHeader {
  readonly columns: number;
  readonly rows: number;
  readonly slices: number;
  readonly voxelType: 'INT16' | 'FLOAT32';
  /** Row-major 4×4: (column index, row index, slice index, 1) → LPS millimetres at the voxel centre. */
  readonly affine: readonly number[];
  /** Column spacing (x), row spacing (y), slice spacing (z) in millimetres. */
  readonly spacingMm: readonly number[];
  /** Empty when each slice claims its own: then none holds for the volume. */
  readonly frameOfReferenceUid: string;
  /** In slice order. */
  readonly sopInstanceUids: readonly string[];
  readonly irregularities: readonly VolumeIrregularity[];
  readonly byteCount: number;
  /** Hounsfield value of padding voxels; undefined when no slice declares padding. */
  readonly paddingValueHu: number | undefined;
  readonly bodyPartExamined: string;
  readonly patientPosition: string;
}

export interface VolumePlan {
  readonly header: VolumeHeader;
  /** Indices of the given headers in slice order: ascending along row × column. */
  readonly order: readonly number[];
}

/** Stored samples of one slice, rows × columns, sign and Bits Stored applied: what `decodeFrames` gives. */
export type Samples =
  Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array;

export interface VolumeSlice {
  readonly header: DicomDataset;
  readonly samples: Samples;
}

export interface Volume {
  readonly header: VolumeHeader;
  /** Hounsfield units; columns fastest, then rows, then slices. */
  readonly data: Int16Array | Float32Array;
}

/** 2^31 bytes of Float32: what one typed array of a 64-bit Node holds with room to spare. */
const voxelsMax = 512 * 1024 * 1024;

function commonFrameOfReference(geometry: readonly InstanceGeometry[]): string {
  const [frame = '', another] = new Set(geometry.map(({ frameOfReferenceUid }) => frameOfReferenceUid));
  return another === undefined ? frame : '';
}

interface Rescale {
  readonly slope: number;
  readonly intercept: number;
}

/**
 * The volume slices make, known from their headers alone, so that voxels can be streamed slice by slice.
 * Voxels are INT16 where every value the stored bits can hold stays exact in it, else FLOAT32.
 * Thrown when the slices are no volume: GeometryError.
 */
export function planVolume(headers: readonly DicomDataset[]): VolumePlan {
  const geometry = headers.map(instanceGeometry);
  const stack = stackSlices(geometry);
  const first = headers[stack.order[0] ?? 0];
  if (!first) throw new GeometryError('empty', 'No slices');
  const voxels = stack.columns * stack.rows * stack.order.length;
  if (voxels > voxelsMax) throw new GeometryError('too-large', `More than ${String(voxelsMax)} voxels`);
  const padding = paddingOf(headers);
  const voxelType = headers.every(fitsInt16) && (padding === undefined || isInt16(padding)) ? 'INT16' : 'FLOAT32';
  const header: VolumeHeader = {
    columns: stack.columns,
    rows: stack.rows,
    slices: stack.order.length,
    voxelType,
    affine: stack.affine,
    spacingMm: stack.spacingMm,
    frameOfReferenceUid: commonFrameOfReference(geometry),
    sopInstanceUids: stack.order.map((index) => geometry[index]?.sopInstanceUid ?? ''),
    irregularities: stack.irregularities,
    byteCount: voxels * (voxelType === 'INT16' ? 2 : 4),
    paddingValueHu: padding,
    bodyPartExamined: first.string('BodyPartExamined') ?? '',
    patientPosition: first.string('PatientPosition') ?? '',
  };
  return { header, order: stack.order };
}

/**
 * One slice in Hounsfield units: stored value × Rescale Slope + Rescale Intercept of this very slice
 * (PS3.3 C.11.1.1.2), padding as the volume's padding value.
 * Thrown when the samples are not rows × columns: GeometryError.
 */
export function sliceToHu(header: DicomDataset, samples: Samples, volume: VolumeHeader): Int16Array | Float32Array {
  const count = volume.columns * volume.rows;
  if (samples.length !== count)
    throw new GeometryError('mixed-matrix', 'A slice has another number of samples than rows × columns');
  const { slope, intercept } = rescaleOf(header);
  const hu = volume.voxelType === 'INT16' ? new Int16Array(count) : new Float32Array(count);
  const saturates = volume.voxelType === 'INT16';
  const padding = paddingRange(header);
  const paddingHu = volume.paddingValueHu;
  for (let i = 0; i < count; i++) {
    const stored = samples[i] ?? 0;
    const isPadding =
      padding !== undefined && paddingHu !== undefined && stored >= padding.low && stored <= padding.high;
    const value = isPadding ? paddingHu : stored * slope + intercept;
    // INT16 was chosen because Bits Stored cannot leave it; a sample that does is a writer's defect, and saturates.
    hu[i] = saturates ? Math.max(-0x8000, Math.min(0x7fff, value)) : value;
  }
  return hu;
}

/**
 * A whole volume in Hounsfield units. Slices may come in any order.
 * Thrown when they are no volume: GeometryError.
 */
export function buildVolume(slices: readonly VolumeSlice[]): Volume {
  const { header, order } = planVolume(slices.map((slice) => slice.header));
  const count = header.columns * header.rows;
  const data =
    header.voxelType === 'INT16' ? new Int16Array(count * header.slices) : new Float32Array(count * header.slices);
  order.forEach((index, k) => {
    const slice = slices[index];
    if (slice) data.set(sliceToHu(slice.header, slice.samples, header), k * count);
  });
  return { header, data };
}

function rescaleOf(header: DicomDataset): Rescale {
  return { slope: header.number('RescaleSlope') ?? 1, intercept: header.number('RescaleIntercept') ?? 0 };
}

const isInt16 = (value: number): boolean => Number.isInteger(value) && value >= -0x8000 && value <= 0x7fff;

function fitsInt16(header: DicomDataset): boolean {
  const { slope, intercept } = rescaleOf(header);
  const bits = header.number('BitsStored') ?? 16;
  const signed = header.number('PixelRepresentation') === 1;
  const low = signed ? -(2 ** (bits - 1)) : 0;
  const high = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  return Number.isInteger(slope) && isInt16(low * slope + intercept) && isInt16(high * slope + intercept);
}

/** Stored values that are padding (PS3.3 C.7.5.1.1.2): one value, or a range with Pixel Padding Range Limit. */
function paddingRange(header: DicomDataset): { low: number; high: number } | undefined {
  const value = signedAs(header, header.number('PixelPaddingValue'));
  if (value === undefined) return undefined;
  const limit = signedAs(header, header.number('PixelPaddingRangeLimit')) ?? value;
  return { low: Math.min(value, limit), high: Math.max(value, limit) };
}

/** Writers give the padding value in the other sign's VR: US 63536 in a signed image means -2000. */
function signedAs(header: DicomDataset, value: number | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (header.number('PixelRepresentation') === 1) return value > 0x7fff ? value - 0x10000 : value;
  return value < 0 ? value + 0x10000 : value;
}

function paddingOf(headers: readonly DicomDataset[]): number | undefined {
  for (const header of headers) {
    const range = paddingRange(header);
    const { slope, intercept } = rescaleOf(header);
    if (range) return range.low * slope + intercept;
  }
  return undefined;
}
