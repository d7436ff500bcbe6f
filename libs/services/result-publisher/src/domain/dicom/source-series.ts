import { createHash } from 'node:crypto';

import { clinicalTrialTags, patientTags, studyTags } from '@callosum/dicom';
import { nameUid } from '@callosum/kernel';

import { type Attribute, attribute, type Dataset, numbersOf, textOf } from './dataset.js';
import { UnpublishableResultError } from '../errors.js';

/**
 * Attributes a result copies from its source: the Patient (C.7.1.1), General Study (C.7.2.1) and Patient Study
 * (C.7.2.2) modules. The character set travels with them. In the order of tags, which the digest goes by.
 */
const patientAndStudyTags = [...patientTags, ...studyTags].sort();

/** Attributes the modules require to be present, empty when unknown (type 2). */
const presentEvenIfEmpty: Readonly<Record<string, string>> = {
  '00080020': 'DA',
  '00080030': 'TM',
  '00080050': 'SH',
  '00080090': 'PN',
  '00100010': 'PN',
  '00100020': 'LO',
  '00100030': 'DA',
  '00100040': 'CS',
  '00200010': 'SH',
};

export interface SourceSlice {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  /** x, y, z in millimetres: centre of the first voxel (C.7.6.2.1.1). */
  readonly position: readonly number[];
}

/** The series a result is about, as its current instances describe it. */
export interface SourceSeries {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly modality: string;
  readonly frameOfReferenceUid: string;
  readonly rows: number;
  readonly columns: number;
  /** Row then column direction cosines. */
  readonly orientation: readonly number[];
  /** Row spacing, column spacing in millimetres. */
  readonly pixelSpacing: readonly number[];
  readonly sliceThickness?: number | undefined;
  /** In the order of the job's input. */
  readonly slices: readonly SourceSlice[];
  /** Lossy Image Compression and its companions: what was lost stays lost (C.7.6.1.1.5). */
  readonly lossy: Dataset;
  /** Patient and Study modules and character set, to be copied. */
  readonly copied: Dataset;
  /** Lower-case hex SHA-256 of what a result takes over from its source. */
  readonly digest: string;
}

/**
 * Reads the source series from the metadata of its current instances (DICOM JSON).
 * @param instances datasets by SOPInstanceUID; more than the job's input may be given
 * @throws {UnpublishableResultError} when an input instance is gone, or the grid cannot be described
 */
export function readSourceSeries(
  sopInstanceUids: readonly string[],
  instances: ReadonlyMap<string, Dataset>,
): SourceSeries {
  const datasets = sopInstanceUids.map((uid) => {
    const dataset = instances.get(uid);
    if (!dataset) throw new UnpublishableResultError(`source instance ${uid} is no longer in the study`);
    return dataset;
  });
  const first = datasets[0];
  if (!first) throw new UnpublishableResultError('the job has no input instances');
  const copied = copiedAttributes(first);
  const thickness = numbersOf(first, '00180050')[0];
  const series = {
    studyInstanceUid: required(first, '0020000D'),
    seriesInstanceUid: required(first, '0020000E'),
    modality: textOf(first, '00080060') ?? 'OT',
    frameOfReferenceUid: frameOfReference(datasets),
    rows: numbersOf(first, '00280010')[0] ?? 0,
    columns: numbersOf(first, '00280011')[0] ?? 0,
    orientation: numbersOf(first, '00200037'),
    pixelSpacing: numbersOf(first, '00280030'),
    sliceThickness: thickness,
    slices: datasets.map((dataset) => ({
      sopClassUid: required(dataset, '00080016'),
      sopInstanceUid: required(dataset, '00080018'),
      position: numbersOf(dataset, '00200032'),
    })),
    lossy: lossyCompression(first),
    copied,
  };
  return { ...series, digest: createHash('sha256').update(JSON.stringify(series)).digest('hex') };
}

/**
 * The frame of reference every slice lies in. Where there is none, or each slice claims its own (docs/adr/0037), the
 * result gets one of its own, derived from the series: it must claim no slice's for the others.
 */
function frameOfReference(datasets: readonly Dataset[]): string {
  const [frame, ...others] = new Set(datasets.map((dataset) => textOf(dataset, '00200052')));
  const series = required(datasets[0] ?? {}, '0020000E');
  return frame !== undefined && others.length === 0 ? frame : nameUid('frame-of-reference', series);
}

function required(dataset: Dataset, tag: string): string {
  const value = textOf(dataset, tag);
  if (value === undefined)
    throw new UnpublishableResultError(`a source instance has no (${tag.slice(0, 4)},${tag.slice(4)})`);
  return value;
}

function lossyCompression(source: Dataset): Dataset {
  if (textOf(source, '00282110') !== '01') return { '00282110': attribute('CS', '00') };
  const kept = ['00282110', '00282112', '00282114'].flatMap((tag) =>
    source[tag] ? [[tag, source[tag]] as const] : [],
  );
  return Object.fromEntries(kept);
}

function copiedAttributes(source: Dataset): Dataset {
  const copied: Record<string, Attribute> = {};
  const copy = (tag: string): void => {
    const found = source[tag];
    if (found?.Value !== undefined && found.Value.length > 0) copied[tag] = found;
  };
  patientAndStudyTags.forEach(copy);
  // De-identified sources often carry the module with its required Subject ID emptied: then it is left out whole.
  const subject = textOf(source, '00120040') ?? textOf(source, '00120042');
  if (textOf(source, '00120010') && textOf(source, '00120020') && subject) clinicalTrialTags.forEach(copy);
  for (const [tag, vr] of Object.entries(presentEvenIfEmpty)) copied[tag] ??= { vr };
  return copied;
}

/** Rank order of tags: an encoder wants ascending tags, and so does a stable digest. */
export const sortedDataset = (dataset: Dataset): Dataset =>
  Object.fromEntries(Object.entries(dataset).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
