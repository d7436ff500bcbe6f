import { expect, it } from 'vitest';

import { goalText } from '../dimse/goals.js';
import { goalsOf, type Measured, msText, percentiles, timesAsFast, timesTable } from './report.js';

const rounds = (node: readonly number[], orthanc: readonly number[]): Measured['ms'] =>
  new Map([
    ['node', node],
    ['orthanc', orthanc],
  ]);

it('is as many times as fast as the median of the rounds says, not as the medians do', () => {
  expect(timesAsFast(rounds([10, 10, 100], [50, 60, 500]))).toBe(5);
  // The machine was slow in one round, for one of them.
  expect(timesAsFast(rounds([10, 10, 10], [50, 50, 5_000]))).toBe(5);
  expect(timesAsFast(new Map([['node', [1]]]))).toBeNaN();
});

it('judges what is promised, and only that', () => {
  const measured: Measured[] = [
    { what: 'metadata', ms: rounds([10], [100]), wanted: 10 },
    { what: 'frame', ms: rounds([10], [29]), wanted: 3 },
    { what: 'something', ms: rounds([10], [1]) },
  ];
  expect(goalsOf(measured).map(goalText)).toEqual([
    '- metadata: as fast as Orthanc: 10.00 ×, ≥ 10 × wanted: met',
    '- frame: as fast as Orthanc: 2.90 ×, ≥ 3 × wanted: **missed**',
  ]);
});

it('has a line for each thing and receiver', () => {
  const ms = rounds([1.234, 2, 3], [400, 500, 600]);
  const byteCount = new Map([
    ['node', 1_234],
    ['orthanc', 12_345],
  ]);
  expect(timesTable([{ what: 'metadata', ms, byteCount }]).split('\n')).toEqual([
    '| asked | of | ms, median | least – most | Callosum is | bytes |',
    '|---|---|---|---|---|---|',
    '| metadata | Callosum | 2.00 | 1.23 – 3.00 |  | 1,234 |',
    '| metadata | Orthanc with its DICOMweb plug-in | 500 | 400 – 600 | 250.00 × as fast | 12,345 |',
  ]);
});

it('takes percentiles by nearest rank', () => {
  const values = Array.from({ length: 1_000 }, (_, i) => 1_000 - i);
  expect(percentiles(values)).toEqual({ p50: 500, p90: 900, p99: 990, max: 1_000, count: 1_000 });
  expect(percentiles([7])).toEqual({ p50: 7, p90: 7, p99: 7, max: 7, count: 1 });
  expect(percentiles([]).p99).toBeNaN();
});

it('writes as many digits as mean something', () => {
  expect([1.666, 16.66, 166.6].map(msText)).toEqual(['1.67', '16.7', '167']);
});
