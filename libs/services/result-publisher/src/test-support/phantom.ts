import { nameUid } from '@callosum/kernel';

import { attribute, type Dataset } from '../domain/dicom/dataset.js';
import type { JobResult, LabelMap } from '../domain/result.js';

/** A tiny CT: known geometry, an asymmetric content, and no patient but this one. */
export interface TinyStudy {
  readonly instances: ReadonlyMap<string, Dataset>;
  /** In slice order: ascending along row × column. */
  readonly sopInstanceUids: readonly string[];
  readonly columns: number;
  readonly rows: number;
}

export interface TinyStudyOptions {
  /** FFS turns columns and slices around: the first column is the patient's left. */
  readonly feetFirst?: boolean;
  readonly patientName?: string;
  readonly slices?: number;
}

const columns = 11;
const rows = 7;
const pixelSpacing = [1.5, 0.75] as const;
const sliceStep = 2.5;

/** Slices whose column axis points to the patient's left (head first) or right (feet first). */
export function tinyStudy({
  feetFirst = false,
  patientName = 'Tiny^Phantom',
  slices = 5,
}: TinyStudyOptions = {}): TinyStudy {
  const study = nameUid('tiny', String(feetFirst));
  const orientation = feetFirst ? [-1, 0, 0, 0, 1, 0] : [1, 0, 0, 0, 1, 0];
  const normalZ = feetFirst ? -1 : 1;
  const uids = Array.from({ length: slices }, (_, index) => nameUid('tiny', study, String(index)));
  const datasets = uids.map((uid, index): [string, Dataset] => [
    uid,
    {
      '00080005': attribute('CS', 'ISO_IR 192'),
      '00080008': attribute('CS', 'ORIGINAL', 'PRIMARY', 'AXIAL'),
      '00080016': attribute('UI', '1.2.840.10008.5.1.4.1.1.2'),
      '00080018': attribute('UI', uid),
      '00080020': attribute('DA', '20260301'),
      '00080030': attribute('TM', '101500'),
      '00080050': { vr: 'SH' },
      '00080060': attribute('CS', 'CT'),
      '00080070': attribute('LO', 'Phantoms'),
      '00080090': { vr: 'PN' },
      '00100010': attribute('PN', { Alphabetic: patientName }),
      '00100020': attribute('LO', 'TINY-1'),
      '00100030': { vr: 'DA' },
      '00100040': attribute('CS', 'O'),
      '00185100': attribute('CS', feetFirst ? 'FFS' : 'HFS'),
      '00180050': attribute('DS', 2.5),
      '0020000D': attribute('UI', study),
      '0020000E': attribute('UI', nameUid('tiny-series', study)),
      '00200010': { vr: 'SH' },
      '00200011': attribute('IS', 3),
      '00200013': attribute('IS', slices - index),
      '00200032': attribute('DS', feetFirst ? 20 : -20, 30, 100 + normalZ * index * sliceStep),
      '00200037': attribute('DS', ...orientation),
      '00200052': attribute('UI', nameUid('tiny-frame', study)),
      '00201040': { vr: 'LO' },
      '00280002': attribute('US', 1),
      '00280004': attribute('CS', 'MONOCHROME2'),
      '00280010': attribute('US', rows),
      '00280011': attribute('US', columns),
      '00280030': attribute('DS', ...pixelSpacing),
      '00280100': attribute('US', 16),
      '00280101': attribute('US', 16),
      '00280102': attribute('US', 15),
      '00280103': attribute('US', 1),
      '00281052': attribute('DS', -1024),
      '00281053': attribute('DS', 1),
      '7FE00010': { vr: 'OW', bytes: new Uint8Array(rows * columns * 2) },
    },
  ]);
  // Shuffled on purpose: nothing may rely on the order instances come in.
  return { instances: new Map(datasets.reverse()), sopInstanceUids: uids, columns, rows };
}

/** Volume of one voxel in millilitres. */
export const tinyVoxelMl = (pixelSpacing[0] * pixelSpacing[1] * sliceStep) / 1000;

const lung = { value: '39607008', scheme: 'SCT', meaning: 'Lung' };
const anatomical = { value: '123037004', scheme: 'SCT', meaning: 'Anatomical Structure' };

/** Two segments: 1 is the patient's left and small, 2 the right and large; the last slice is empty. */
export function tinyLabelMap(study: TinyStudy, feetFirst = false): LabelMap {
  const slices = study.sopInstanceUids.length;
  const voxels = new Uint8Array(study.columns * study.rows * slices);
  const set = (column: number, row: number, slice: number, value: number): void => {
    // Patient left is +x: high columns head first, low columns feet first.
    const fromRight = feetFirst ? study.columns - 1 - column : column;
    voxels[(slice * study.rows + row) * study.columns + fromRight] = value;
  };
  for (let slice = 0; slice < slices - 1; slice++) {
    for (let row = 1; row < 6; row++) for (let column = 1; column < 5; column++) set(column, row, slice, 2);
    if (slice > 0)
      for (let row = 2; row < 4; row++) for (let column = 7; column < 10; column++) set(column, row, slice, 1);
  }
  return {
    columns: study.columns,
    rows: study.rows,
    slices,
    voxels,
    segments: [
      {
        number: 1,
        label: 'Left lung',
        category: anatomical,
        type: lung,
        recommendedCielab: [30000, 40000, 20000],
        laterality: 'L',
      },
      { number: 2, label: 'Right lung', category: anatomical, type: lung, recommendedCielab: [], laterality: 'R' },
    ],
  };
}

export const volumeConcept = { value: '118565006', scheme: 'SCT', meaning: 'Volume' };
export const millilitre = { value: 'mL', scheme: 'UCUM', meaning: 'milliliter' };

export function tinyResult(study: TinyStudy, labelMap: LabelMap | undefined): JobResult {
  const [first] = study.instances.values();
  const uid = (tag: string): string => String(first?.[tag]?.Value?.[0]);
  const count = (value: number): number => labelMap?.voxels.filter((voxel) => voxel === value).length ?? 0;
  return {
    jobId: 'b1f5c2a0-0000-4000-8000-000000000001',
    model: { modelId: 'tiny-lungs', version: '1.2.0', name: 'Tiny lungs', vendor: 'Phantoms', intendedUse: 'Tests' },
    resultDigest: 'ab'.repeat(32),
    studyInstanceUid: uid('0020000D'),
    seriesInstanceUid: uid('0020000E'),
    sopInstanceUids: study.sopInstanceUids,
    findings: [
      {
        concept: { value: '46621007', scheme: 'SCT', meaning: 'Atelectasis' },
        present: true,
        probability: 0.625,
        findingSite: lung,
      },
    ],
    measurements: [
      ...(labelMap?.segments ?? []).map(({ number, laterality }) => ({
        id: `volume-${laterality}`,
        concept: volumeConcept,
        value: count(number) * tinyVoxelMl,
        unit: millilitre,
        segmentNumber: number,
        laterality,
        method: { value: '126030', scheme: 'DCM', meaning: 'Sum of segmented voxel volumes' },
      })),
      {
        id: 'laa-950',
        concept: { value: '118586006', scheme: 'SCT', meaning: 'Ratio' },
        value: 100 / 3,
        unit: { value: '%', scheme: 'UCUM', meaning: 'Percent' },
        segmentNumber: 0,
        laterality: '',
        findingSite: lung,
      },
    ],
    warnings: [{ code: 'lungs-truncated', message: 'The lungs reach the edge of the field of view' }],
    labelMap,
    completedAt: new Date('2026-11-22T03:04:05.678Z'),
  };
}
