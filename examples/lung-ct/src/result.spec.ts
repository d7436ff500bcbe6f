import { defineManifest } from '@callosum/worker-sdk';
import { describe, expect, it } from 'vitest';
import { manifest, toInferenceResult, type LungAnalysis } from './index.js';

const analysis: Pick<LungAnalysis, 'measurements' | 'warnings'> = {
  measurements: {
    right: { volumeMl: 2407.8303, laa950Percent: 6.176685 },
    left: { volumeMl: 1841.0085, laa950Percent: 0 },
    both: { volumeMl: 4248.8388, laa950Percent: 5.37396 },
  },
  warnings: [{ code: 'lungs-truncated', message: 'The lungs are cut off.' }],
};
const written = { columns: 4, rows: 3, slices: 2, sha256: 'ab'.repeat(32) };

describe('the coded result', () => {
  const result = toInferenceResult(analysis, written);

  it('has volumes and low attenuation areas of either lung on its segment, of both on none', () => {
    const rows = result.measurements?.map((one) =>
      [one.id, one.concept.value, one.value, one.unit.value, one.segmentNumber, one.findingSite?.value, one.laterality] //
        .join(' '),
    );
    expect(rows).toEqual([
      'lung-volume-right 118565006 2407.8 mL 1 3341006 R',
      'laa-950-right LAA-950 6.18 % 1 3341006 R',
      'lung-volume-left 118565006 1841 mL 2 44029006 L',
      'laa-950-left LAA-950 0 % 2 44029006 L',
      'lung-volume 118565006 4248.8 mL 0 39607008 B',
      'laa-950 LAA-950 5.37 % 0 39607008 B',
    ]);
  });

  it('names segment 1 the right and segment 2 the left lung, on the grid that was written', () => {
    const [labelMap] = result.labelMaps ?? [];
    expect(labelMap).toMatchObject(written);
    expect(labelMap?.segments.map(({ number, label, laterality }) => [number, label, laterality])).toEqual([
      [1, 'Right lung', 'R'],
      [2, 'Left lung', 'L'],
    ]);
    for (const { category, type } of labelMap?.segments ?? []) {
      expect([category.value, type.value]).toEqual(['123037004', '39607008']);
    }
  });

  it('keeps every code within what DICOM can hold, and units in UCUM', () => {
    for (const { concept, unit, method, findingSite } of result.measurements ?? []) {
      expect(unit.scheme).toBe('UCUM');
      for (const code of [concept, unit, method, findingSite]) {
        expect((code?.value ?? '').length).toBeLessThanOrEqual(16);
        expect((code?.scheme ?? '').length).toBeLessThanOrEqual(16);
        expect((code?.meaning ?? '').length).toBeLessThanOrEqual(64);
      }
    }
  });

  it('passes the warnings on', () => {
    expect(result.warnings).toEqual(analysis.warnings);
  });

  it('of no lungs is the warning alone', () => {
    const warnings = [{ code: 'no-lungs', message: 'No lung was found in this series.' }] as const;
    expect(toInferenceResult({ measurements: {}, warnings })).toEqual({ measurements: [], labelMaps: [], warnings });
  });
});

describe('the manifest', () => {
  it('holds together, and takes no irregular volume', () => {
    expect(defineManifest(manifest)).toBe(manifest);
    expect(Object.keys(manifest.volumeLimits)).toEqual(['voxelsMax']);
    expect(manifest.model.intendedUse).toContain('not a diagnosis');
  });
});
