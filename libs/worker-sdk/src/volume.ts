import { endianness } from 'node:os';

import { worker } from '@callosum/contracts';

import { CorruptVolumeError, JobInputUnusableError } from './errors.js';
import { type Manifest, voxelsMaxDefault } from './manifest.js';

export type VolumeIrregularity = 'gantry-tilt' | 'gaps' | 'uneven-spacing';

/**
 * A volume in Hounsfield units. The voxel of (column, row, slice) is
 * `data[(slice * rows + row) * columns + column]`; slices ascend along row direction × column direction.
 */
export interface Volume {
  readonly columns: number;
  readonly rows: number;
  readonly slices: number;
  readonly data: Int16Array | Float32Array;
  /** Row-major 4 × 4: (column, row, slice, 1) → LPS millimetres at the voxel's centre. */
  readonly affine: readonly number[];
  /** Between columns (x), between rows (y), between slices (z). */
  readonly spacingMm: readonly [number, number, number];
  /** Of one voxel, from the affine: right under gantry tilt too. */
  readonly voxelVolumeMm3: number;
  /** Empty when each slice claims a frame of its own: then none holds for the volume. */
  readonly frameOfReferenceUid: string;
  /** One a slice, in slice order. */
  readonly sopInstanceUids: readonly string[];
  readonly irregularities: readonly VolumeIrregularity[];
  /** Voxels of this value were padding in the source; absent when there is none. */
  readonly paddingValueHu?: number;
  /** Empty when the source does not say. */
  readonly bodyPartExamined: string;
  /** "HFS", "FFS"…; empty when the source does not say. The affine already holds its meaning. */
  readonly patientPosition: string;
}

/** What the job's manifest lets in. */
export interface VolumeBounds {
  readonly voxelsMax: number;
  readonly accepts: ReadonlySet<VolumeIrregularity>;
}

export function boundsOf(manifest: Manifest): VolumeBounds {
  const limits = manifest.volumeLimits;
  const accepts = new Set<VolumeIrregularity>();
  if (limits?.acceptsGantryTilt) accepts.add('gantry-tilt');
  if (limits?.acceptsGaps) accepts.add('gaps');
  if (limits?.acceptsUnevenSpacing) accepts.add('uneven-spacing');
  return { voxelsMax: limits?.voxelsMax ?? voxelsMaxDefault, accepts };
}

/**
 * Puts a volume together from its stream. Nothing is allocated before the header is checked against the bounds.
 * @throws CorruptVolumeError when the bytes are not what the header announced.
 * @throws JobInputUnusableError when the volume is larger or less regular than the manifest takes.
 */
export async function assembleVolume(
  parts: AsyncIterable<worker.ReadVolumeResponse>,
  bounds: VolumeBounds,
): Promise<Volume> {
  let header: worker.VolumeHeader | undefined;
  let bytes: Uint8Array<ArrayBuffer> = new Uint8Array();
  let filled = 0;
  for await (const { part } of parts) {
    if (part?.$case === 'header') {
      if (header) throw new CorruptVolumeError('a second header');
      header = part.value;
      bytes = new Uint8Array(checkHeader(header, bounds));
    } else if (part?.$case === 'data') {
      if (!header) throw new CorruptVolumeError('data before the header');
      if (filled + part.value.length > bytes.length) throw new CorruptVolumeError('more bytes than announced');
      bytes.set(part.value, filled);
      filled += part.value.length;
    }
  }
  if (!header) throw new CorruptVolumeError('no header');
  if (filled !== bytes.length) {
    throw new CorruptVolumeError(`${String(filled)} of ${String(bytes.length)} bytes arrived`);
  }
  return volumeOf(header, bytes);
}

/** Checks the header and gives the number of bytes to expect. */
function checkHeader(header: worker.VolumeHeader, bounds: VolumeBounds): number {
  const { columns, rows, slices } = header;
  const voxels = columns * rows * slices;
  if (voxels === 0) throw new CorruptVolumeError('an empty volume');
  if (voxels > bounds.voxelsMax) throw new JobInputUnusableError('volume-too-large');
  const bytes = voxels * bytesPerVoxel(header.voxelType);
  if (header.byteCount !== BigInt(bytes)) throw new CorruptVolumeError('the byte count does not fit the dimensions');
  if (header.sopInstanceUids.length !== slices) throw new CorruptVolumeError('one SOPInstanceUID a slice');
  if (header.spacingMm.length !== 3 || !header.spacingMm.every((value) => Number.isFinite(value) && value > 0)) {
    throw new CorruptVolumeError('three spacings above 0');
  }
  const { affine } = header;
  const lastRow = affine.slice(12).join();
  if (affine.length !== 16 || !affine.every(Number.isFinite) || lastRow !== '0,0,0,1' || determinant(affine) === 0) {
    throw new CorruptVolumeError('an affine that cannot be inverted');
  }
  for (const irregularity of header.irregularities.map(irregularityOf)) {
    if (!bounds.accepts.has(irregularity)) throw new JobInputUnusableError(`volume-${irregularity}`);
  }
  return bytes;
}

function volumeOf(header: worker.VolumeHeader, bytes: Uint8Array<ArrayBuffer>): Volume {
  const { columns, rows, slices, affine, spacingMm, paddingValueHu } = header;
  const [x = 0, y = 0, z = 0] = spacingMm;
  return {
    columns,
    rows,
    slices,
    data: voxelsOf(header.voxelType, bytes),
    affine: [...affine],
    spacingMm: [x, y, z],
    voxelVolumeMm3: Math.abs(determinant(affine)),
    frameOfReferenceUid: header.frameOfReferenceUid,
    sopInstanceUids: [...header.sopInstanceUids],
    irregularities: header.irregularities.map(irregularityOf),
    ...(paddingValueHu === undefined ? {} : { paddingValueHu }),
    bodyPartExamined: header.bodyPartExamined,
    patientPosition: header.patientPosition,
  };
}

function bytesPerVoxel(type: worker.VoxelType): 2 | 4 {
  if (type === worker.VoxelType.VOXEL_TYPE_INT16) return 2;
  if (type === worker.VoxelType.VOXEL_TYPE_FLOAT32) return 4;
  throw new CorruptVolumeError('an unknown voxel type');
}

/** The wire is little-endian; typed arrays are as the machine is. */
function voxelsOf(type: worker.VoxelType, bytes: Uint8Array<ArrayBuffer>): Int16Array | Float32Array {
  const wide = bytesPerVoxel(type) === 4;
  if (endianness() === 'BE') {
    const buffer = Buffer.from(bytes.buffer);
    if (wide) buffer.swap32();
    else buffer.swap16();
  }
  return wide ? new Float32Array(bytes.buffer) : new Int16Array(bytes.buffer);
}

/** Of the upper left 3 × 3. */
function determinant(m: readonly number[]): number {
  const [a = 0, b = 0, c = 0, , d = 0, e = 0, f = 0, , g = 0, h = 0, i = 0] = m;
  return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
}

function irregularityOf(value: worker.VolumeIrregularity): VolumeIrregularity {
  switch (value) {
    case worker.VolumeIrregularity.VOLUME_IRREGULARITY_GANTRY_TILT:
      return 'gantry-tilt';
    case worker.VolumeIrregularity.VOLUME_IRREGULARITY_GAPS:
      return 'gaps';
    case worker.VolumeIrregularity.VOLUME_IRREGULARITY_UNEVEN_SPACING:
      return 'uneven-spacing';
    default:
      // An irregularity this SDK does not know cannot have been accepted by its manifest.
      throw new JobInputUnusableError('volume-unknown-irregularity');
  }
}
