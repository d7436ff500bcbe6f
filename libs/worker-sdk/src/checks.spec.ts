import { describe, expect, it } from 'vitest';

import { defineManifest, InvalidManifestError, InvalidResultError, type JobResult, type Manifest } from './index.js';
import { backoffMs } from './backoff.js';
import { manifestToWire } from './manifest.js';
import { resultToWire } from './result.js';

const manifest: Manifest = {
  model: { modelId: 'm', version: '1', name: 'M', vendor: 'V', intendedUse: 'Tests.' },
  selection: { modality: 'CT', orientation: 'axial' },
  outputs: ['measurements'],
  attemptDurationMaxMs: 1500,
};

describe('defineManifest', () => {
  it('fills in what was left out', () => {
    expect(manifestToWire(defineManifest(manifest))).toMatchObject({
      slots: 1,
      inputForm: 'INPUT_FORM_HU_VOLUME',
      attemptDurationMax: { seconds: 1n, nanos: 500e6 },
      volumeLimits: { acceptsGantryTilt: false, acceptsGaps: false, acceptsUnevenSpacing: false },
      selection: { preference: 'PREFERENCE_THINNEST_SLICES', sliceCountMin: 0, sliceSpacingMaxMm: 0 },
    });
  });

  const wrong: [string, Partial<Manifest>][] = [
    ['slots', { slots: 65 }],
    ['slots', { slots: 0 }],
    ['outputs', { outputs: [] }],
    ['outputs', { outputs: ['findings', 'findings'] }],
    ['model.version', { model: { ...manifest.model, version: '' } }],
    ['model.modelId', { model: { ...manifest.model, modelId: 'My Model' } }],
    ['selection.orientation', { selection: { modality: 'CT', orientation: 'oblique' as 'axial' } }],
    ['selection.sliceCount', { selection: { ...manifest.selection, sliceCountMin: 9, sliceCountMax: 3 } }],
    ['selection.sliceSpacing', { selection: { ...manifest.selection, sliceSpacingMaxMm: Number.NaN } }],
    ['attemptDurationMaxMs', { attemptDurationMaxMs: 0 }],
  ];
  it.each(wrong)('names %s when it is wrong', (field, change) => {
    const define = (): unknown => defineManifest({ ...manifest, ...change });
    expect(define).toThrow(InvalidManifestError);
    expect(define).toThrow(field);
  });
});

describe('a result', () => {
  const code = { value: '1', scheme: 'SCT', meaning: 'One' };
  const unit = { value: 'mL', scheme: 'UCUM', meaning: 'milliliter' };
  const measurement = { id: 'a', concept: code, value: 1, unit };
  const segment = { number: 1, label: 'One', category: code, type: code };
  const labelMap = { columns: 4, rows: 3, slices: 2, sha256: 'ab', segments: [segment] };
  const written = { columns: 4, rows: 3, slices: 2, sha256: 'ab', labelMax: 1 };
  const times = { startedAt: new Date(), finishedAt: new Date() };
  const check = (result: JobResult): unknown =>
    resultToWire(result, times, written, ['measurements', 'label-map', 'findings']);

  it('that holds together passes', () => {
    expect(() => check({ measurements: [{ ...measurement, segmentNumber: 1 }], labelMaps: [labelMap] })).not.toThrow();
    expect(() => check({ findings: [{ concept: code, present: true, probability: 1 }] })).not.toThrow();
    expect(() => check({ warnings: [{ code: 'no-lungs', message: 'No lungs.' }] })).not.toThrow();
  });

  const wrong: [string, JobResult][] = [
    ['empty', {}],
    ['value', { measurements: [{ ...measurement, value: Number.POSITIVE_INFINITY }] }],
    ['unit.scheme', { measurements: [{ ...measurement, unit: { ...unit, scheme: 'SI' } }] }],
    ['segmentNumber', { measurements: [{ ...measurement, segmentNumber: 1 }] }],
    ['each id once', { measurements: [measurement, measurement] }],
    ['concept.meaning', { measurements: [{ ...measurement, concept: { ...code, meaning: '' } }] }],
    ['laterality', { measurements: [{ ...measurement, laterality: 'X' as 'R' }] }],
    ['probability', { findings: [{ concept: code, present: true, probability: 1.01 }] }],
    ['sha256', { labelMaps: [{ ...labelMap, sha256: 'cd' }] }],
    ['dimensions', { labelMaps: [{ ...labelMap, slices: 3 }] }],
    ['1, 2, 3', { labelMaps: [{ ...labelMap, segments: [{ ...segment, number: 2 }] }] }],
    ['segments: 1 to 255', { labelMaps: [{ ...labelMap, segments: [] }] }],
    ['recommendedCielab', { labelMaps: [{ ...labelMap, segments: [{ ...segment, recommendedCielab: [0, 0, 7e4] }] }] }],
    ['at most 1', { labelMaps: [labelMap, labelMap] }],
    ['at most 256', { findings: Array.from({ length: 257 }, () => ({ concept: code, present: true })) }],
  ];
  it.each(wrong)('is refused for its %s', (what, result) => {
    expect(() => check(result)).toThrow(InvalidResultError);
    expect(() => check(result)).toThrow(what);
  });

  it('is refused when its labels hold a value that is no segment', () => {
    const stray = { ...written, labelMax: 2 };
    expect(() => resultToWire({ labelMaps: [labelMap] }, times, stray, ['label-map'])).toThrow(/no segment/);
  });

  it('is refused when it holds what the manifest does not declare', () => {
    expect(() => resultToWire({ labelMaps: [labelMap] }, times, written, ['findings'])).toThrow(/not an output/);
  });
});

describe('waits between connections', () => {
  it('double, are capped, and keep at least half', () => {
    expect([1, 2, 3, 4].map((failures) => backoffMs(failures, () => 1))).toEqual([200, 400, 800, 1600]);
    expect(backoffMs(1000, () => 1)).toBe(10_000);
    expect(backoffMs(1000, () => 0)).toBe(5_000);
  });
});
