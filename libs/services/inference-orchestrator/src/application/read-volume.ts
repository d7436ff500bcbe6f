import {
  decodeFrames,
  type DicomDataset,
  DicomParseError,
  DicomPixelError,
  GeometryError,
  headerPrefixBytes,
  parseFile,
  parseHeader,
  planVolume,
  type Samples,
  sliceToHu,
  type VolumeHeader,
} from '@callosum/dicom';

import { InputChangedError, InputUnusableError, StudyNotIndexedError } from '../domain/errors.js';
import type { Manifest } from '../domain/manifest.js';
import { inputDigest } from '../domain/selection.js';
import type { Blobs, Job, LocatedInstance, Studies } from './ports.js';

/** Of the contract: chunks ≤ 1 MiB. */
const chunkBytesMax = 1024 * 1024;
/** Headers read at once: an object store answers in tens of milliseconds, and a CT has hundreds. */
const parallelReads = 8;
/** The header of one CT slice; a larger one is no slice of a volume. */
const headerBytesMax = 4 * 1024 * 1024;

export interface ReadVolumeDependencies {
  readonly studies: Studies;
  readonly blobs: Blobs;
}

export type VolumePart =
  | { readonly header: VolumeHeader; readonly data?: undefined }
  | { readonly data: Uint8Array; readonly header?: undefined };

/**
 * A job's input as a volume in Hounsfield units: the header, then voxels slice by slice, so that one slice at a time
 * is in memory however large the volume is. The caller's pace is ours.
 * @throws {InputChangedError} @throws {InputUnusableError} @throws {StudyUnavailableError}
 */
export async function* readVolume(dependencies: ReadVolumeDependencies, job: Job): AsyncGenerator<VolumePart> {
  const { studies, blobs } = dependencies;
  const instances = inSliceOrder(job, await locate(studies, job));
  try {
    const headers = await readHeaders(blobs, instances);
    const { header, order } = planVolume(headers);
    assertPlanned(job, header, order);
    yield { header };
    for (const instance of instances) {
      const file = parseFile(await blobs.read(instance.blobKey, 0, instance.blobByteCount));
      const [frame] = await decodeFrames(file, { frameNumbers: [1] });
      if (!frame || frame.samplesPerPixel !== 1) throw new InputUnusableError('a slice is not of one sample a pixel');
      yield* chunks(sliceToHu(file.dataset, frame.samples satisfies Samples, header));
    }
  } catch (error) {
    throw isUnusable(error) ? new InputUnusableError(error.message, { cause: error }) : error;
  }
}

const isUnusable = (error: unknown): error is Error =>
  error instanceof DicomParseError || error instanceof DicomPixelError || error instanceof GeometryError;

/** None of a series that the index does not show: it may be hidden as a whole, or be indexed anew. */
function locate(studies: Studies, { studyInstanceUid, seriesInstanceUid }: Job): Promise<readonly LocatedInstance[]> {
  return studies.locate(studyInstanceUid, seriesInstanceUid).catch((error: unknown) => {
    if (error instanceof StudyNotIndexedError) return [];
    throw error;
  });
}

/** The very images the job was scheduled with, in the order it was scheduled with. */
function inSliceOrder(job: Job, located: readonly LocatedInstance[]): LocatedInstance[] {
  const byUid = new Map(located.map((one) => [one.sopInstanceUid, one]));
  const ordered = job.sopInstanceUids.flatMap((uid) => byUid.get(uid) ?? []);
  const digest = inputDigest(job.manifest.model.modelId, job.seriesInstanceUid, ordered);
  if (digest !== job.inputDigest) throw new InputChangedError(job.id);
  return ordered;
}

/** Selection went by the index; the objects themselves have the last word. */
function assertPlanned(job: Job, header: VolumeHeader, order: readonly number[]): void {
  const sameGrid =
    header.columns === job.grid.columns && header.rows === job.grid.rows && header.slices === job.grid.slices;
  if (!sameGrid || order.some((index, k) => index !== k))
    throw new InputUnusableError('the slices are not the grid the index describes');
  const refused = header.irregularities.find((one) => !job.manifest[acceptedBy[one]]);
  if (refused) throw new InputUnusableError(`the volume has ${refused.toLowerCase()}, which the model does not take`);
}

const acceptedBy = {
  GANTRY_TILT: 'acceptsGantryTilt',
  GAPS: 'acceptsGaps',
  UNEVEN_SPACING: 'acceptsUnevenSpacing',
} as const satisfies Record<VolumeHeader['irregularities'][number], keyof Manifest>;

async function readHeaders(blobs: Blobs, instances: readonly LocatedInstance[]): Promise<DicomDataset[]> {
  const headers: DicomDataset[] = [];
  for (let i = 0; i < instances.length; i += parallelReads) {
    headers.push(...(await Promise.all(instances.slice(i, i + parallelReads).map((one) => readHeader(blobs, one)))));
  }
  return headers;
}

async function readHeader(blobs: Blobs, { blobKey, blobByteCount }: LocatedInstance): Promise<DicomDataset> {
  for (let wanted = headerPrefixBytes; ; wanted *= 4) {
    const end = Math.min(wanted, blobByteCount);
    const header = parseHeader(await blobs.read(blobKey, 0, end), { complete: end === blobByteCount });
    if (header !== 'need-more') return header.dataset;
    if (end >= headerBytesMax) throw new InputUnusableError(`a header is longer than ${headerBytesMax} bytes`);
  }
}

/** Little-endian bytes, as every machine we run on has them. */
function* chunks(voxels: Int16Array | Float32Array): Generator<VolumePart> {
  const bytes = new Uint8Array(voxels.buffer, voxels.byteOffset, voxels.byteLength);
  for (let at = 0; at < bytes.length; at += chunkBytesMax) yield { data: bytes.subarray(at, at + chunkBytesMax) };
}
