import { createHash } from 'node:crypto';

import { type Attribute, attribute, type Dataset, numbersOf, textOf } from './dataset.js';
import { UnpublishableResultError } from '../errors.js';

/**
 * Attributes a result copies from its source: the Patient (C.7.1.1), General Study (C.7.2.1) and Patient Study
 * (C.7.2.2) modules. The character set travels with them.
 */
const patientAndStudyTags = [
  '00080005',
  '00080020',
  '00080030',
  '00080050',
  '00080051',
  '00080090',
  '00080096',
  '0008009C',
  '0008009D',
  '00080201',
  '00081030',
  '00081032',
  '00081048',
  '00081049',
  '00081060',
  '00081062',
  '00081080',
  '00081084',
  '00081110',
  '00081120',
  '00100010',
  '00100020',
  '00100021',
  '00100022',
  '00100024',
  '00100026',
  '00100027',
  '00100028',
  '00100030',
  '00100032',
  '00100033',
  '00100034',
  '00100035',
  '00100040',
  '00100200',
  '00100212',
  '00100213',
  '00100214',
  '00100215',
  '00100216',
  '00100217',
  '00100218',
  '00100219',
  '00100221',
  '00100222',
  '00100223',
  '00101001',
  '00101002',
  '00101010',
  '00101020',
  '00101021',
  '00101022',
  '00101023',
  '00101024',
  '00101030',
  '00102000',
  '00102110',
  '00102160',
  '00102180',
  '001021A0',
  '001021B0',
  '001021C0',
  '001021D0',
  '00102201',
  '00102202',
  '00102203',
  '00102292',
  '00102293',
  '00102294',
  '00102295',
  '00102296',
  '00102297',
  '00102298',
  '00102299',
  '00104000',
  '00120062',
  '00120063',
  '00120064',
  '0020000D',
  '00200010',
  '00321033',
  '00321034',
  '00321066',
  '00321067',
  '00380010',
  '00380014',
  '00380060',
  '00380062',
  '00380064',
  '00380500',
] as const;

/** Clinical Trial Subject (C.7.1.3) and Study (C.7.2.3) modules: copied only when their required values are there. */
const clinicalTrialTags = [
  '00120010',
  '00120020',
  '00120021',
  '00120022',
  '00120023',
  '00120030',
  '00120031',
  '00120040',
  '00120041',
  '00120042',
  '00120043',
  '00120050',
  '00120051',
  '00120052',
  '00120053',
  '00120081',
  '00120082',
  '00120083',
  '00120085',
  '00120086',
  '00120087',
] as const;

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
    // An image without one lies in a frame of its own; the series' UID is as good a name for it as any.
    frameOfReferenceUid: textOf(first, '00200052') ?? required(first, '0020000E'),
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
