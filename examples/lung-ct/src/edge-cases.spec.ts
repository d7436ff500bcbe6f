import { describe, expect, it } from 'vitest';
import { analyseLungs, UnusableVolumeError, type LungVolume } from './index.js';

type Point = readonly [x: number, y: number, z: number];

/** Draws in LPS millimetres; the later shape covers the earlier one. */
interface Shape {
  readonly centre: Point;
  readonly axes: Point;
  readonly hu: number;
}

const columns = 120;
const rows = 96;
const slices = 40;
const spacingMm = [3, 3, 5] as const;

/** A drawn chest: x from -178.5 to 178.5, y from -142.5 to 142.5, z from 0 to 195, feet first in the array. */
function drawn(shapes: readonly Shape[], more: Partial<LungVolume> = {}): LungVolume {
  const data = new Int16Array(columns * rows * slices).fill(-1000);
  for (const { centre, axes, hu } of shapes) {
    for (let k = 0, index = 0; k < slices; k++) {
      for (let j = 0; j < rows; j++) {
        for (let i = 0; i < columns; i++, index++) {
          const [x, y, z] = [-178.5 + 3 * i - centre[0], -142.5 + 3 * j - centre[1], 5 * k - centre[2]];
          if ((x / axes[0]) ** 2 + (y / axes[1]) ** 2 + (z / axes[2]) ** 2 <= 1) data[index] = hu;
        }
      }
    }
  }
  const affine = [3, 0, 0, -178.5, 0, 3, 0, -142.5, 0, 0, 5, 0, 0, 0, 0, 1];
  return { columns, rows, slices, spacingMm, affine, data, ...more };
}

const body: Shape = { centre: [0, 0, 97], axes: [165, 110, 1000], hu: 40 };
const right: Shape = { centre: [-75, 0, 97], axes: [50, 75, 80], hu: -850 };
const left: Shape = { centre: [75, 0, 97], axes: [45, 70, 75], hu: -850 };
const millilitres = ({ axes: [a, b, c] }: Shape): number => (4 / 3) * Math.PI * a * b * c * 1e-3;
const codes = (volume: LungVolume): string[] => analyseLungs(volume).warnings.map(({ code }) => code);

const near = (measured: number | undefined, expected: number, share = 0.03): void => {
  expect(Math.abs((measured ?? 0) / expected - 1)).toBeLessThan(share);
};

/** The same voxels in another order of the array, with the affine that says so. */
function reordered(volume: LungVolume, mirrored: 'columns' | 'rows' | 'slices'): LungVolume {
  const data = new Int16Array(volume.data.length);
  const size = [columns, rows, slices];
  const axis = ['columns', 'rows', 'slices'].indexOf(mirrored);
  for (let k = 0, index = 0; k < slices; k++) {
    for (let j = 0; j < rows; j++) {
      for (let i = 0; i < columns; i++, index++) {
        const at = [i, j, k];
        at[axis] = (size[axis] ?? 0) - 1 - (at[axis] ?? 0);
        const [x = 0, y = 0, z = 0] = at;
        data[index] = volume.data[(z * rows + y) * columns + x] ?? 0;
      }
    }
  }
  const affine = volume.affine.map((value, n) => {
    if (n % 4 === axis) return -value;
    const step = n % 4 === 3 && n < 12 ? (volume.affine[n - 3 + axis] ?? 0) : 0;
    return value + step * ((size[axis] ?? 0) - 1);
  });
  return { ...volume, data, affine };
}

describe('left and right', () => {
  it.each(['columns', 'rows', 'slices'] as const)('come from the affine when the %s run the other way', (mirrored) => {
    const { measurements } = analyseLungs(reordered(drawn([body, right, left]), mirrored));
    near(measurements.right?.volumeMl, millilitres(right));
    near(measurements.left?.volumeMl, millilitres(left));
  });

  it('are told apart when a membrane between the lungs is too thin to show', () => {
    const bridge: Shape = { centre: [0, -40, 97], axes: [60, 4, 30], hu: -700 };
    const { measurements } = analyseLungs(drawn([body, right, left, bridge]));
    near(measurements.right?.volumeMl, millilitres(right), 0.05);
    near(measurements.left?.volumeMl, millilitres(left), 0.05);
    // The membrane is not where the middle of the body is: the right lung reaches across it.
    const across = { centre: [-20, -40, 97], axes: [50, 25, 40], hu: -850 } as const;
    const shifted: Shape = { centre: [40, -40, 97], axes: [30, 4, 30], hu: -700 };
    const { labelMap } = analyseLungs(drawn([body, right, left, across, shifted]));
    expect(labelMap[(19 * rows + 34) * columns + 66]).toBe(1);
  });

  it('are cut at the middle when the lungs cannot be parted otherwise', () => {
    const bridge: Shape = { centre: [0, 0, 97], axes: [70, 60, 60], hu: -850 };
    const { measurements } = analyseLungs(drawn([body, right, left, bridge]));
    expect(measurements.right?.volumeMl).toBeGreaterThan(millilitres(right));
    expect(measurements.left?.volumeMl).toBeGreaterThan(millilitres(left));
  });

  it('of one lung alone: the other one is missing and said to be', () => {
    const analysis = analyseLungs(drawn([body, left]));
    expect(analysis.measurements.right).toBeUndefined();
    near(analysis.measurements.left?.volumeMl, millilitres(left));
    expect(analysis.measurements.both).toEqual(analysis.measurements.left);
    expect(analysis.warnings).toEqual([{ code: 'one-lung', message: 'No right lung was found in this series.' }]);
  });
});

describe('what is no lung', () => {
  it('gas in stomach and bowel is left out', () => {
    const gas: Shape = { centre: [40, -60, 12], axes: [40, 30, 25], hu: -1000 };
    const { measurements } = analyseLungs(drawn([body, right, left, gas]));
    near(measurements.both?.volumeMl, millilitres(right) + millilitres(left));
  });

  it('a trachea that opens into both lungs is taken off', () => {
    const trachea: Shape = { centre: [0, 10, 200], axes: [9, 9, 110], hu: -1000 };
    const bronchi: Shape = { centre: [0, 10, 105], axes: [40, 6, 8], hu: -1000 };
    const analysis = analyseLungs(drawn([body, right, left, trachea, bronchi]));
    near(analysis.measurements.right?.volumeMl, millilitres(right));
    near(analysis.measurements.left?.volumeMl, millilitres(left));
    // A voxel in the middle of the trachea, at the height of the lungs.
    expect(analysis.labelMap[(26 * rows + 50) * columns + 59]).toBe(0);
    expect(analysis.warnings).toEqual([]);
  });

  it('a hollow table the body lies on is left out', () => {
    const shell: Shape = { centre: [0, 120, 97], axes: [172, 13, 2000], hu: 200 };
    const core: Shape = { centre: [0, 120, 97], axes: [150, 9, 2000], hu: -900 };
    const { measurements } = analyseLungs(drawn([shell, core, body, right, left]));
    near(measurements.both?.volumeMl, millilitres(right) + millilitres(left));
  });

  it('an abdomen has no lungs', () => {
    const gas: Shape = { centre: [-60, -40, 90], axes: [35, 30, 60], hu: -990 };
    const analysis = analyseLungs(drawn([body, gas]));
    expect(analysis.warnings.map(({ code }) => code)).toEqual(['no-lungs']);
    expect(analysis.measurements).toEqual({});
    expect(analysis.labelMap.some((label) => label !== 0)).toBe(false);
  });

  it('air alone, and a block of metal, have no lungs', () => {
    expect(codes(drawn([]))).toEqual(['no-lungs']);
    expect(codes(drawn([{ centre: [0, 0, 97], axes: [1000, 1000, 1000], hu: 3000 }]))).toEqual(['no-lungs']);
  });
});

describe('lungs cut off by the field of view', () => {
  const message = (volume: LungVolume): string | undefined => analyseLungs(volume).warnings[0]?.message;
  const up = (shape: Shape, mm: number): Shape => ({ ...shape, centre: [shape.centre[0], 0, 97 + mm] });

  it('are said to be, with the side they are cut at, whichever way the slices run', () => {
    const high = drawn([body, up(right, 60), up(left, 60)]);
    expect(message(high)).toContain('towards the head:');
    expect(message(reordered(high, 'slices'))).toContain('towards the head:');
    expect(message(drawn([body, up(right, -60), up(left, -60)]))).toContain('towards the feet:');
  });

  it('at the border of the image are still measured', () => {
    const wide: Shape = { ...body, axes: [400, 110, 1000] };
    const cut: Shape = { ...right, centre: [-160, 0, 97] };
    const analysis = analyseLungs(drawn([wide, cut, left]));
    expect(analysis.warnings[0]?.message).toContain('at the border of the image:');
    expect(analysis.measurements.right?.volumeMl).toBeGreaterThan(0.6 * millilitres(right));
    near(analysis.measurements.left?.volumeMl, millilitres(left));
  });

  it.each([
    ['declared as padding', -2000, -2000],
    ['not declared', -3024, undefined],
  ])('by a round field of view, its corners %s', (_, fill, paddingValueHu) => {
    const volume = drawn([body, right, left], { paddingValueHu });
    for (let index = 0; index < volume.data.length; index++) {
      const x = -178.5 + 3 * (index % columns);
      const y = -142.5 + 3 * (Math.floor(index / columns) % rows);
      if (Math.hypot(x, y) > 105) volume.data[index] = fill;
    }
    const analysis = analyseLungs(volume);
    expect(analysis.warnings[0]?.message).toContain('at the border of the image:');
    expect(analysis.measurements.right?.volumeMl).toBeGreaterThan(0.6 * millilitres(right));
  });
});

describe('LAA-950', () => {
  it('is the share of voxels strictly below -950 HU', () => {
    const volume = drawn([body, { ...right, hu: -950 }, left]);
    expect(analyseLungs(volume).measurements.right?.laa950Percent).toBe(0);
    // The lower half of the left lung.
    const half = volume.data.map((hu, index) => (hu === -850 && index < (volume.data.length * 39) / 80 ? -951 : hu));
    const { measurements } = analyseLungs({ ...volume, data: half });
    expect(measurements.left?.laa950Percent).toBeGreaterThan(45);
    expect(measurements.left?.laa950Percent).toBeLessThan(55);
  });

  it('is the same for voxels in floating point', () => {
    const volume = drawn([body, right, left]);
    const whole = analyseLungs(volume);
    expect(analyseLungs({ ...volume, data: Float32Array.from(volume.data) })).toEqual(whole);
  });
});

describe('a volume that cannot be read', () => {
  const volume = drawn([body, right, left]);
  const coronal = [3, 0, 0, 0, 0, 0, 5, 0, 0, -3, 0, 0, 0, 0, 0, 1];
  it.each([
    ['not-axial', { affine: coronal }],
    ['invalid-size', { slices: slices + 1 }],
    ['invalid-size', { slices: 0, data: new Int16Array(0) }],
    ['invalid-geometry', { affine: new Array<number>(16).fill(0) }],
    ['invalid-geometry', { affine: volume.affine.slice(0, 12) }],
    ['invalid-geometry', { spacingMm: [3, 3, NaN] }],
  ] as const)('is refused: %s', (code, change) => {
    const analyse = (): unknown => analyseLungs({ ...volume, ...change });
    expect(analyse).toThrow(UnusableVolumeError);
    expect(analyse).toThrow(expect.objectContaining({ code }) as Error);
  });
});
