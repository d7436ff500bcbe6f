import { describe, expect, it } from 'vitest';
import { scaleToViewport, type Gray8, type Rgb8, type Viewport } from '../index.js';

const gray = (columns: number, ...samples: readonly number[]): Gray8 => ({
  kind: 'gray8',
  columns,
  rows: samples.length / columns,
  samples: Uint8Array.from(samples),
});
const scaled = (picture: Gray8 | Rgb8, viewport: Viewport): [columns: number, rows: number, samples: number[]] => {
  const { columns, rows, samples } = scaleToViewport(picture, viewport);
  return [columns, rows, [...samples]];
};

// prettier-ignore
const four = gray(4,
  0, 10, 20, 30,
  40, 50, 60, 70,
);

const impossible: readonly Viewport[] = [
  { width: 0, height: 4 },
  { width: 4, height: -1 },
  { width: 1.5, height: 4 },
  { width: Number.NaN, height: 4 },
  { width: 4, height: 4, region: { x: 4 } },
  { width: 4, height: 4, region: { y: -2 } },
  { width: 4, height: 4, region: { width: 0 } },
  { width: 4, height: 4, region: { x: Number.NaN } },
];

describe('a viewport', () => {
  it('takes a picture that fits as it is', () => {
    expect(scaleToViewport(four, { width: 4, height: 9 })).toBe(four);
  });

  it('makes it smaller by the mean of what a pixel covers, its sides in proportion', () => {
    expect(scaled(four, { width: 2, height: 2 })).toEqual([2, 1, [25, 45]]);
    expect(scaled(gray(3, 0, 90, 210), { width: 2, height: 9 })).toEqual([2, 1, [30, 170]]);
  });

  it('makes it larger until one side is its own', () => {
    expect(scaled(gray(2, 0, 100), { width: 4, height: 4 })).toEqual([4, 2, [0, 25, 75, 100, 0, 25, 75, 100]]);
  });

  it('scales each colour by itself', () => {
    const picture: Rgb8 = { kind: 'rgb8', columns: 2, rows: 1, samples: Uint8Array.of(0, 10, 20, 100, 30, 60) };
    expect(scaled(picture, { width: 1, height: 1 })).toEqual([1, 1, [50, 20, 40]]);
  });

  it('shows a region, to the edges where it has no size', () => {
    const viewport = { width: 2, height: 2 };
    expect(scaled(four, { ...viewport, region: { x: 1, width: 2 } })).toEqual([2, 2, [10, 20, 50, 60]]);
    expect(scaled(four, { ...viewport, region: { x: 2 } })).toEqual([2, 2, [20, 30, 60, 70]]);
    expect(scaled(four, { width: 4, height: 1, region: { y: -1 } })).toEqual([4, 1, [40, 50, 60, 70]]);
  });

  it('shows a region of fractions', () => {
    expect(scaled(gray(2, 0, 100), { width: 1, height: 1, region: { x: 0.5, width: 1 } })).toEqual([1, 1, [50]]);
    expect(scaled(gray(3, 0, 100, 0), { width: 1, height: 1, region: { x: 0.75, width: 1 } })).toEqual([1, 1, [75]]);
  });

  it('turns round what has a negative size', () => {
    const viewport = { width: 2, height: 2 };
    expect(scaled(four, { ...viewport, region: { x: 1, width: -2 } })).toEqual([2, 2, [20, 10, 60, 50]]);
    expect(scaled(four, { ...viewport, region: { x: 1, width: 2, height: -2 } })).toEqual([2, 2, [50, 60, 10, 20]]);
    expect(scaled(four, { width: 4, height: 2, region: { width: -4, height: -2 } })).toEqual([
      4,
      2,
      [70, 60, 50, 40, 30, 20, 10, 0],
    ]);
  });

  it('shows of a region what is inside of the image, and takes nothing from outside of the region', () => {
    expect(scaled(four, { width: 1, height: 2, region: { x: 3, width: 5 } })).toEqual([1, 2, [30, 70]]);
    // Larger by interpolation, which at the region's edge has no neighbour.
    expect(scaled(four, { width: 4, height: 4, region: { x: 1, width: 1, height: 1 } })).toEqual([
      4,
      4,
      Array.from({ length: 16 }, () => 10),
    ]);
  });

  it('leaves a pixel of what is far wider than high', () => {
    expect(scaled(gray(4, 0, 10, 20, 30), { width: 1, height: 1 })).toEqual([1, 1, [15]]);
  });

  it.each(impossible)('that is none is refused: %o', (viewport) => {
    expect(() => scaleToViewport(four, viewport)).toThrow(expect.objectContaining({ code: 'dicom.render.bad-option' }));
  });

  it('larger than any screen is refused before there is room for it', () => {
    expect(() => scaleToViewport(four, { width: 200_000, height: 100_000 })).toThrow(
      expect.objectContaining({ code: 'dicom.render.too-large' }),
    );
    // However large it is, the picture is as large as it fits.
    expect(scaled(four, { width: 1_000_000, height: 2 })[0]).toBe(4);
  });
});
