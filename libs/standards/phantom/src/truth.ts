import type { Grid } from './shapes.js';
import { Label, type Thorax } from './thorax.js';

export interface LungTruth {
  readonly volumeMl: number;
  /** Voxels below -950 HU, in percent of the lung's voxels. */
  readonly laa950Percent: number;
}

/** What a measurement on the axial series should find. */
export interface ThoraxTruth {
  /** On the grid of the axial series as `buildVolume` orders it: `Label` of each voxel, columns fastest. */
  readonly labels: Uint8Array;
  readonly columns: number;
  readonly rows: number;
  readonly slices: number;
  readonly voxelMl: number;
  readonly right: LungTruth;
  readonly left: LungTruth;
  /** Both lungs together. */
  readonly both: LungTruth;
}

/** Counts the labels of a drawn chest, and puts them on the grid its axial series has. */
export function truthOf({ grid, hu, labels }: Thorax, isFeetFirst: boolean): ThoraxTruth {
  const voxelMl = (grid.spacing[0] * grid.spacing[1] * grid.spacing[2]) / 1000;
  const counts = { [Label.rightLung]: { all: 0, low: 0 }, [Label.leftLung]: { all: 0, low: 0 } };
  labels.forEach((label, i) => {
    if (label !== Label.rightLung && label !== Label.leftLung) return;
    counts[label].all++;
    if ((hu[i] ?? 0) < -950) counts[label].low++;
  });
  const truth = (all: number, low: number): LungTruth => ({
    volumeMl: all * voxelMl,
    laa950Percent: (100 * low) / all,
  });
  const [right, left] = [counts[Label.rightLung], counts[Label.leftLung]];
  return {
    // Feet first, columns run to the right and slices to the feet: the whole order of columns and slices turns around.
    labels: isFeetFirst ? turned(labels, grid) : labels,
    columns: grid.columns,
    rows: grid.rows,
    slices: grid.slices,
    voxelMl,
    right: truth(right.all, right.low),
    left: truth(left.all, left.low),
    both: truth(right.all + left.all, right.low + left.low),
  };
}

function turned(labels: Uint8Array, { columns, rows, slices }: Grid): Uint8Array {
  const out = new Uint8Array(labels.length);
  for (let k = 0; k < slices; k++) {
    for (let j = 0; j < rows; j++) {
      const row = labels.slice((k * rows + j) * columns, (k * rows + j + 1) * columns).reverse();
      out.set(row, ((slices - 1 - k) * rows + j) * columns);
    }
  }
  return out;
}
