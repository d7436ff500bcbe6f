import type { Code, JobResult, Laterality, Measurement, Segment } from '@callosum/worker-sdk';
import type { LungAnalysis, LungMeasurements } from './measure.js';
import { Side } from './sides.js';

const sct = (value: string, meaning: string): Code => ({ value, scheme: 'SCT', meaning });

const lung = sct('39607008', 'Lung');
const anatomicalStructure = sct('123037004', 'Anatomical Structure');

/** PS3.16 CID 7461 and CID 7474. */
const volume = sct('118565006', 'Volume');
const sumOfVoxelVolumes: Code = { value: '126030', scheme: 'DCM', meaning: 'Sum of segmented voxel volumes' };
const millilitre: Code = { value: 'mL', scheme: 'UCUM', meaning: 'milliliter' };

/** No coding scheme has a concept for it, so it is one of the vendor's own (PS3.16 section 8: "99" and a name). */
const lowAttenuationArea: Code = {
  value: 'LAA-950',
  scheme: '99CALLOSUM',
  meaning: 'Lung voxels below -950 HU in percent of lung voxels',
};
const percent: Code = { value: '%', scheme: 'UCUM', meaning: 'Percent' };

interface Place {
  readonly name: string;
  readonly segmentNumber: number;
  readonly findingSite: Code;
  readonly laterality: Laterality;
}

const places: Readonly<Record<'right' | 'left' | 'both', Place>> = {
  right: {
    name: '-right',
    segmentNumber: Side.right,
    findingSite: sct('3341006', 'Right lung'),
    laterality: 'R',
  },
  left: { name: '-left', segmentNumber: Side.left, findingSite: sct('44029006', 'Left lung'), laterality: 'L' },
  // Of both segments together, so of none of them.
  both: { name: '', segmentNumber: 0, findingSite: lung, laterality: 'B' },
};

/** Sky blue and orange: told apart by every kind of colour vision. */
const segments: readonly Segment[] = [
  {
    number: Side.right,
    label: 'Right lung',
    category: anatomicalStructure,
    type: lung,
    recommendedCielab: [45400, 28579, 23766],
    laterality: 'R',
  },
  {
    number: Side.left,
    label: 'Left lung',
    category: anatomicalStructure,
    type: lung,
    recommendedCielab: [46653, 38053, 52082],
    laterality: 'L',
  },
];

/** The label map as it was written: its size and the digest `job.writeLabelMap` gave. */
export interface WrittenLabelMap {
  readonly columns: number;
  readonly rows: number;
  readonly slices: number;
  readonly sha256: string;
}

/**
 * The analysis as coded measurements, segments and warnings. Without a lung there is nothing to show: leave
 * `written` out, and only the warning is reported. Ids stay the same from run to run.
 */
export function toInferenceResult(
  { measurements, warnings }: Pick<LungAnalysis, 'measurements' | 'warnings'>,
  written?: WrittenLabelMap,
): JobResult {
  return {
    measurements: (['right', 'left', 'both'] as const).flatMap((side) => {
      const measured = measurements[side];
      return measured ? measurementsOf(places[side], measured) : [];
    }),
    labelMaps: written ? [{ ...written, segments }] : [],
    warnings: warnings.map(({ code, message }) => ({ code, message })),
  };
}

function measurementsOf(place: Place, { volumeMl, laa950Percent }: LungMeasurements): Measurement[] {
  const { name, ...where } = place;
  return [
    {
      id: `lung-volume${name}`,
      concept: volume,
      value: rounded(volumeMl, 1),
      unit: millilitre,
      method: sumOfVoxelVolumes,
      ...where,
    },
    { id: `laa-950${name}`, concept: lowAttenuationArea, value: rounded(laa950Percent, 2), unit: percent, ...where },
  ];
}

/** More digits than the method is good for would only look exact. */
const rounded = (value: number, decimals: number): number => Number(value.toFixed(decimals));
