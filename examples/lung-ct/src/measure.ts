import { Side } from './sides.js';
import { segmentLungs, type LungSegmentation } from './segment.js';
import { gridOf, type LungVolume } from './volume.js';

/** Voxels below this count as low attenuation: the usual threshold for emphysema on inspiratory, unenhanced, thin slices. */
const lowAttenuationHu = -950;

export interface LungMeasurements {
  readonly volumeMl: number;
  /** Voxels below -950 HU in percent of the lung's voxels. */
  readonly laa950Percent: number;
}

export interface AnalysisWarning {
  /** Stable: "lungs-truncated", "no-lungs", "one-lung". */
  readonly code: 'lungs-truncated' | 'no-lungs' | 'one-lung';
  readonly message: string;
}

export interface LungAnalysis {
  /** One byte a voxel, in the order of the volume: 0 elsewhere, 1 right lung, 2 left lung. */
  readonly labelMap: Uint8Array<ArrayBuffer>;
  /** Undefined where there is no such lung. */
  readonly measurements: {
    readonly right?: LungMeasurements;
    readonly left?: LungMeasurements;
    /** Both lungs together. */
    readonly both?: LungMeasurements;
  };
  readonly warnings: readonly AnalysisWarning[];
}

/**
 * Segments the lungs of an axial chest CT and measures them.
 * Thrown when the volume cannot be read as axial slices: UnusableVolumeError.
 */
export function analyseLungs(volume: LungVolume): LungAnalysis {
  const grid = gridOf(volume);
  const segmentation = segmentLungs(volume, grid);
  const { labelMap } = segmentation;
  const all = new Uint32Array(3);
  const low = new Uint32Array(3);
  for (let index = 0; index < labelMap.length; index++) {
    const label = labelMap[index] ?? 0;
    if (label === 0) continue;
    all[label] = (all[label] ?? 0) + 1;
    if ((volume.data[index] ?? 0) < lowAttenuationHu) low[label] = (low[label] ?? 0) + 1;
  }
  const measured = (...sides: readonly number[]): LungMeasurements | undefined => {
    const voxels = sides.reduce((sum, side) => sum + (all[side] ?? 0), 0);
    const dark = sides.reduce((sum, side) => sum + (low[side] ?? 0), 0);
    return voxels === 0 ? undefined : { volumeMl: voxels * grid.voxelMl, laa950Percent: (100 * dark) / voxels };
  };
  const right = measured(Side.right);
  const left = measured(Side.left);
  const both = measured(Side.right, Side.left);
  return {
    labelMap,
    measurements: { ...(right && { right }), ...(left && { left }), ...(both && { both }) },
    warnings: warningsOf(segmentation, right !== undefined, left !== undefined),
  };
}

function warningsOf(segmentation: LungSegmentation, isRight: boolean, isLeft: boolean): AnalysisWarning[] {
  if (!isRight && !isLeft) return [{ code: 'no-lungs', message: 'No lung was found in this series.' }];
  const warnings: AnalysisWarning[] = [];
  const borders = [
    ...(segmentation.isTruncatedCranially ? ['towards the head'] : []),
    ...(segmentation.isTruncatedCaudally ? ['towards the feet'] : []),
    ...(segmentation.isTruncatedInPlane ? ['at the border of the image'] : []),
  ];
  if (borders.length > 0) {
    warnings.push({
      code: 'lungs-truncated',
      message: `The lungs are cut off ${borders.join(' and ')}: volumes are of the imaged part only.`,
    });
  }
  if (!isRight || !isLeft) {
    const missing = isRight ? 'left' : 'right';
    warnings.push({ code: 'one-lung', message: `No ${missing} lung was found in this series.` });
  }
  return warnings;
}
