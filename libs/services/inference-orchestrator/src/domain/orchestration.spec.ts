import { instanceGeometry, parseFile } from '@callosum/dicom';
import { generateThoraxPhantom } from '@callosum/phantom';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { afterAttempt, attemptMs, expiry } from './attempt.js';
import { LabelValues } from './label-values.js';
import { type Manifest, parseManifest, type RawManifest } from './manifest.js';
import { checkResult, type RawResult, type ResultContext } from './result.js';
import { decideJobs, type ExistingJob, holdFor } from './scheduling.js';
import { isUcum } from './ucum.js';
import { type IndexedStudy, inputDigest, selectInput } from './selection.js';

const raw: RawManifest = {
  model: { modelId: 'lung-ct', version: '1.0.0', name: 'Lungs', vendor: 'Phantoms', intendedUse: '' },
  selection: {
    modality: 'CT',
    orientation: 'ORIENTATION_AXIAL',
    bodyParts: [],
    sliceSpacingMinMm: 0,
    sliceSpacingMaxMm: 0,
    sliceCountMin: 0,
    sliceCountMax: 0,
    preference: 'PREFERENCE_THINNEST_SLICES',
  },
  inputForm: 'INPUT_FORM_HU_VOLUME',
  outputs: ['OUTPUT_FORM_LABEL_MAP', 'OUTPUT_FORM_MEASUREMENTS', 'OUTPUT_FORM_FINDINGS'],
  slots: 1,
  volumeLimits: undefined,
  attemptDurationMax: undefined,
};
const { model, selection } = raw;
if (!model || !selection) throw new Error('absent');

describe('a manifest', () => {
  it('without limits refuses every irregularity and leaves the deadline to the site', () => {
    expect(parseManifest(raw)).toMatchObject({
      acceptsGantryTilt: false,
      acceptsGaps: false,
      acceptsUnevenSpacing: false,
      attemptMsMax: undefined,
    });
    expect(parseManifest({ ...raw, attemptDurationMax: { seconds: 2n, nanos: 500_000_000 } }).attemptMsMax).toBe(2500);
  });

  it.each<[string, RawManifest]>([
    ['model is missing', { ...raw, model: undefined }],
    ['model.model_id', { ...raw, model: { ...model, modelId: '../x' } }],
    ['model.version', { ...raw, model: { ...model, version: '' } }],
    ['model.name', { ...raw, model: { ...model, name: 'x'.repeat(65) } }],
    ['model.name begins or ends with white space', { ...raw, model: { ...model, name: ' Lungs' } }],
    ['model.name holds a backslash', { ...raw, model: { ...model, name: 'L\\R' } }],
    ['model.vendor holds a backslash or control', { ...raw, model: { ...model, vendor: 'a\tb' } }],
    ['model.vendor holds a backslash or control', { ...raw, model: { ...model, vendor: 'a\u2028b' } }],
    ['model.vendor holds a backslash or control', { ...raw, model: { ...model, vendor: 'a\u0000b' } }],
    ['selection is missing', { ...raw, selection: undefined }],
    ['selection.modality', { ...raw, selection: { ...selection, modality: 'MR' } }],
    ['selection.orientation', { ...raw, selection: { ...selection, orientation: 'UNRECOGNIZED' } }],
    ['selection.slice_spacing', { ...raw, selection: { ...selection, sliceSpacingMinMm: Number.NaN } }],
    ['above its max', { ...raw, selection: { ...selection, sliceCountMin: 9, sliceCountMax: 8 } }],
    ['selection.body_parts', { ...raw, selection: { ...selection, bodyParts: ['chest'] } }],
    ['input_form', { ...raw, inputForm: 'INPUT_FORM_UNSPECIFIED' }],
    ['outputs is empty', { ...raw, outputs: [] }],
    ['outputs names an unknown form', { ...raw, outputs: ['UNRECOGNIZED'] }],
    ['twice', { ...raw, outputs: ['OUTPUT_FORM_FINDINGS', 'OUTPUT_FORM_FINDINGS'] }],
    ['slots', { ...raw, slots: 65 }],
    ['attempt_duration_max', { ...raw, attemptDurationMax: { seconds: -1n, nanos: 0 } }],
  ])('is refused, naming the field: %s', (problem, manifest) => {
    expect(() => parseManifest(manifest)).toThrow(problem);
  });
});

describe('selection', () => {
  const { study } = generateThoraxPhantom({ slices: 8, matrix: 16, shuffled: true });
  const indexed: IndexedStudy = {
    studyInstanceUid: study.studyInstanceUid,
    revision: 1,
    series: [study.localizerSeriesUid, study.coronalSeriesUid, study.axialSeriesUid].map((seriesInstanceUid) => ({
      seriesInstanceUid,
      modality: 'CT',
      bodyPartExamined: 'CHEST',
      issuedByCallosum: false,
      instances: study.instances
        .filter((one) => one.seriesInstanceUid === seriesInstanceUid)
        .map((one) => ({
          ...instanceGeometry(parseFile(one.bytes).dataset),
          issuedByCallosum: false,
          contentDigest: one.sopInstanceUid,
        })),
    })),
  };
  const manifest: Manifest = parseManifest(raw);

  it('takes the axial series in slice order, whatever order its instances came in', () => {
    const { input } = selectInput(indexed, manifest);
    expect(input).toMatchObject({ seriesInstanceUid: study.axialSeriesUid, columns: 16, rows: 16, slices: 8 });
    const z = (uid: string): number =>
      indexed.series[2]?.instances.find(({ sopInstanceUid }) => sopInstanceUid === uid)?.imagePositionPatient[2] ?? 0;
    const heights = input?.sopInstanceUids.map(z) ?? [];
    expect(heights).toEqual([...heights].sort((a, b) => a - b));
    const reversed = indexed.series.map((one) => ({ ...one, instances: [...one.instances].reverse() })).reverse();
    expect(selectInput({ ...indexed, series: reversed }, manifest).input?.inputDigest).toBe(input?.inputDigest);
  });

  it('says why not the others', () => {
    const { input } = selectInput(indexed, manifest);
    expect(input?.evidence[0]).toBe(`${study.axialSeriesUid} taken`);
    expect(input?.evidence).toContain(`${study.localizerSeriesUid} localizer-image-type`);
    expect(input?.evidence).toContain(`${study.coronalSeriesUid} orientation`);
  });

  it('leaves out instances Callosum issued, also inside a series of the sender', () => {
    const [, , axial] = indexed.series;
    if (!axial) throw new Error('absent');
    const [first, ...rest] = axial.instances;
    if (!first) throw new Error('absent');
    const own = { ...first, sopInstanceUid: '1.2.3', issuedByCallosum: true, imageOrientationPatient: [] };
    const mixed = { ...axial, instances: [own, first, ...rest] };
    expect(selectInput({ ...indexed, series: [mixed] }, manifest).input?.slices).toBe(8);
    const onlyOwn = { ...axial, instances: axial.instances.map((one) => ({ ...one, issuedByCallosum: true })) };
    expect(selectInput({ ...indexed, series: [onlyOwn] }, manifest).verdicts[0]?.reasons).toContain(
      'issued-by-callosum',
    );
  });

  it('has another digest for other contents, and for another model', () => {
    const instances = [
      { sopInstanceUid: '1.1', contentDigest: 'a' },
      { sopInstanceUid: '1.2', contentDigest: 'b' },
    ];
    const digest = inputDigest('m', '1', instances);
    expect(inputDigest('m', '1', [...instances].reverse())).toBe(digest);
    expect(inputDigest('m', '1', [{ sopInstanceUid: '1.1', contentDigest: 'c' }, ...instances.slice(1)])).not.toBe(
      digest,
    );
    expect(inputDigest('n', '1', instances)).not.toBe(digest);
  });
});

describe('which jobs follow', () => {
  const job = (changes: Partial<ExistingJob>): ExistingJob => ({
    id: 'j',
    state: 'queued',
    modelVersion: '1',
    inputDigest: 'a',
    ...changes,
  });

  it.each<[string, ExistingJob[], string | undefined, string, { supersede: string[]; schedule: boolean }]>([
    ['the first', [], 'a', '1', { supersede: [], schedule: true }],
    ['none without a match', [], undefined, '1', { supersede: [], schedule: false }],
    ['none for an unchanged input', [job({})], 'a', '1', { supersede: [], schedule: false }],
    ['none when it failed', [job({ state: 'failed' })], 'a', '1', { supersede: [], schedule: false }],
    [
      'none for a new version, when answered',
      [job({ state: 'completed' })],
      'a',
      '2',
      { supersede: [], schedule: false },
    ],
    ['none for a new version, when running', [job({ state: 'running' })], 'a', '2', { supersede: [], schedule: false }],
    ['one for a new version, when nobody took it', [job({})], 'a', '2', { supersede: ['j'], schedule: true }],
    ['one for a changed input', [job({ state: 'running' })], 'b', '1', { supersede: ['j'], schedule: true }],
    ['one beside a completed one', [job({ state: 'completed' })], 'b', '1', { supersede: [], schedule: true }],
    [
      'none, and the open one goes, when the match is gone',
      [job({})],
      undefined,
      '1',
      { supersede: ['j'], schedule: false },
    ],
  ])('%s', (_name, existing, digest, version, decision) => {
    expect(decideJobs(existing, digest, version)).toEqual({ ...decision, setAside: [] });
  });

  it('none for an input that is as it was, unless its job failed for another reason and another input came between', () => {
    const failed = job({ state: 'failed' });
    expect(decideJobs([failed], 'b', '1')).toEqual({ supersede: [], setAside: ['j'], schedule: true });
    expect(decideJobs([failed], undefined, '1')).toEqual({ supersede: [], setAside: ['j'], schedule: false });
    const ofInput = job({ state: 'failed', failedForInput: true });
    expect(decideJobs([ofInput], 'b', '1')).toEqual({ supersede: [], setAside: [], schedule: true });
  });
});

describe('jobs on a study with a discontinued step', () => {
  const discontinued = { status: 'discontinued' } as const;
  const done = { status: 'completed' } as const;

  it('are held unless another step was completed, or the site lets them run', () => {
    expect(holdFor([discontinued], 'hold')).toBe('procedure-step-discontinued');
    expect(holdFor([discontinued, { status: 'in-progress' }], 'hold')).toBe('procedure-step-discontinued');
    expect(holdFor([discontinued, done], 'hold')).toBeUndefined();
    expect(holdFor([discontinued], 'run')).toBeUndefined();
    expect(holdFor([done, { status: 'in-progress' }], 'hold')).toBeUndefined();
    expect(holdFor([], 'hold')).toBeUndefined();
  });

  it('are held whatever was completed beside it, where the worklist entry was another one’s', () => {
    const wrong = { ...discontinued, isWrongEntry: true };
    expect(holdFor([wrong, done], 'hold')).toBe('procedure-step-wrong-entry');
    expect(holdFor([done], 'hold', 'procedure-step-wrong-entry')).toBe('procedure-step-wrong-entry');
    expect(holdFor([wrong, done], 'run')).toBeUndefined();
  });

  it('are not released by steps that are forgotten', () => {
    expect(holdFor([], 'hold', 'procedure-step-discontinued')).toBe('procedure-step-discontinued');
    expect(holdFor([{ status: 'in-progress' }], 'hold', 'procedure-step-discontinued')).toBe(
      'procedure-step-discontinued',
    );
    expect(holdFor([done], 'hold', 'procedure-step-discontinued')).toBeUndefined();
    expect(holdFor([], 'run', 'procedure-step-discontinued')).toBeUndefined();
  });
});

describe('an attempt', () => {
  const now = new Date('2026-11-22T12:00:00Z');
  const in_ = (ms: number): Date => new Date(now.getTime() + ms);

  it('is the worker’s until its lease or its deadline is over', () => {
    const lease = { fencingToken: 1n, leaseUntil: in_(10_000), deadlineAt: in_(60_000) };
    expect(expiry(lease, now)).toBeUndefined();
    expect(expiry(lease, in_(9_999))).toBeUndefined();
    expect(expiry(lease, in_(10_000))).toBe('lease-expired');
    expect(expiry({ ...lease, leaseUntil: in_(70_000) }, in_(60_000))).toBe('deadline-exceeded');
  });

  it('is followed by another with a growing pause, up to the last', () => {
    expect(afterAttempt('transient', 1, 3)).toEqual({ state: 'queued', retryAfterMs: 1_000 });
    expect(afterAttempt('transient', 2, 3)).toEqual({ state: 'queued', retryAfterMs: 2_000 });
    expect(afterAttempt('transient', 19, 20)).toEqual({ state: 'queued', retryAfterMs: 60_000 });
    expect(afterAttempt('lease-expired', 1, 3)).toEqual({ state: 'queued', retryAfterMs: 0 });
    expect(afterAttempt('lease-expired', 3, 3)).toEqual({ state: 'failed', reason: 'ATTEMPTS_EXHAUSTED' });
    expect(afterAttempt('invalid-result', 3, 3)).toEqual({ state: 'failed', reason: 'INVALID_RESULT' });
    expect(afterAttempt('input-unusable', 1, 3)).toEqual({ state: 'failed', reason: 'INPUT_UNUSABLE' });
  });

  it('does not count where it found other images, so long as the revision that changed them may be on its way', () => {
    const after = (uncounted: number, attempts = 1) => afterAttempt('input-changed', attempts, 3, uncounted);
    expect(after(0)).toEqual({ state: 'queued', retryAfterMs: 1_000, isUncounted: true });
    expect(after(0, 3)).toEqual({ state: 'queued', retryAfterMs: 1_000, isUncounted: true });
    expect(after(31)).toEqual({ state: 'queued', retryAfterMs: 60_000, isUncounted: true });
    expect(after(32)).toEqual({ state: 'queued', retryAfterMs: 1_000 });
    expect(after(32, 3)).toEqual({ state: 'failed', reason: 'ATTEMPTS_EXHAUSTED' });
  });

  it('may take what the model says, never more than the site allows', () => {
    expect(attemptMs(undefined, 100)).toBe(100);
    expect(attemptMs(50, 100)).toBe(50);
    expect(attemptMs(500, 100)).toBe(100);
  });
});

describe('a result', () => {
  const code = { value: '39607008', scheme: 'SCT', meaning: 'Lung' };
  const unit = { value: 'mL', scheme: 'UCUM', meaning: 'milliliter' };
  const segment = {
    number: 1,
    label: 'Lung',
    category: code,
    type: code,
    anatomicRegion: undefined,
    recommendedCielab: [],
    laterality: 'L',
  };
  const map = { columns: 4, rows: 3, slices: 2, sha256: 'known', segments: [segment] };
  const measurement = {
    id: 'volume',
    concept: code,
    value: 1,
    unit,
    segmentNumber: 1,
    findingSite: undefined,
    method: undefined,
    laterality: '',
  };
  const finding = { concept: code, probability: 0.5, findingSite: undefined };
  const good: RawResult = {
    findings: [finding],
    measurements: [measurement],
    labelMaps: [map],
    warnings: [{ code: 'lungs-truncated', message: 'Cut off' }],
    startedAt: '2026-11-22T12:00:01Z',
    finishedAt: '2026-11-22T12:00:02Z',
  };
  const of = (given: typeof code, value: string): typeof code => ({ ...given, value });
  const context: ResultContext = {
    grid: { columns: 4, rows: 3, slices: 2 },
    outputs: ['LABEL_MAP', 'MEASUREMENTS', 'FINDINGS'],
    labelMaps: new Map([
      ['known', [1]],
      ['stray', [1, 7]],
    ]),
    scheduledAt: new Date('2026-11-22T12:00:00Z'),
    now: new Date('2026-11-22T12:00:05Z'),
  };

  it('that holds together passes', () => {
    expect(() => checkResult(good, context)).not.toThrow();
  });

  it.each<[string, Partial<RawResult>, Partial<ResultContext>?]>([
    ['result is empty', { findings: [], measurements: [], labelMaps: [], warnings: [] }],
    ['findings[0].concept', { findings: [{ ...finding, concept: undefined }] }],
    ['findings[0].concept.scheme', { findings: [{ ...finding, concept: { ...code, scheme: '' } }] }],
    ['findings[0].probability', { findings: [{ ...finding, probability: 1.01 }] }],
    ['findings[0].probability', { findings: [{ ...finding, probability: Number.NaN }] }],
    ['findings has more', { findings: Array.from({ length: 257 }, () => finding) }],
    ['findings: not an output', {}, { outputs: ['LABEL_MAP', 'MEASUREMENTS'] }],
    ['measurements[0].value', { measurements: [{ ...measurement, value: Number.POSITIVE_INFINITY }] }],
    ['measurements[0].unit must be of UCUM', { measurements: [{ ...measurement, unit: code }] }],
    [
      'measurements[0].unit.value is no unit of UCUM',
      { measurements: [{ ...measurement, unit: of(unit, 'furlongs') }] },
    ],
    ['measurements[0].unit.value is no unit of UCUM', { measurements: [{ ...measurement, unit: of(unit, 'mm^2') }] }],
    ['measurements[0].unit.value begins or ends', { measurements: [{ ...measurement, unit: of(unit, 'mL ') }] }],
    ['findings[0].concept.value begins or ends', { findings: [{ ...finding, concept: of(code, ' 39607008') }] }],
    ['findings[0].concept.value is no FHIR code', { findings: [{ ...finding, concept: of(code, '3960  7008') }] }],
    ['findings[0].concept.value holds a backslash', { findings: [{ ...finding, concept: of(code, '39\\60') }] }],
    ['findings[0].concept.meaning holds a', { findings: [{ ...finding, concept: { ...code, meaning: 'a\tb' } }] }],
    ['findings[0].finding_site.scheme holds', { findings: [{ ...finding, findingSite: { ...code, scheme: 'S\\T' } }] }],
    ['segments[0].label holds a', { labelMaps: [{ ...map, segments: [{ ...segment, label: 'Lung\nleft' }] }] }],
    ['segments[0].label holds a', { labelMaps: [{ ...map, segments: [{ ...segment, label: 'Lung\\left' }] }] }],
    ['measurements[0].id holds a', { measurements: [{ ...measurement, id: 'a\\b' }] }],
    [
      'measurements[0].laterality is of no finding_site',
      { measurements: [{ ...measurement, segmentNumber: 0, laterality: 'L' }] },
    ],
    ['measurements[0].segment_number', { measurements: [{ ...measurement, segmentNumber: 2 }] }],
    ['measurements[1].id is used twice', { measurements: [measurement, measurement] }],
    ['measurements[0].laterality', { measurements: [{ ...measurement, laterality: 'left' }] }],
    ['measurements[0].method.meaning', { measurements: [{ ...measurement, method: { ...code, meaning: '' } }] }],
    ['label_maps has more', { labelMaps: [map, map] }],
    ['not the grid', { labelMaps: [{ ...map, columns: 3, rows: 4 }] }],
    ['no label map written', { labelMaps: [{ ...map, sha256: 'unknown' }] }],
    ['not declared', { labelMaps: [{ ...map, sha256: 'stray' }] }],
    ['segments[0].number', { labelMaps: [{ ...map, segments: [{ ...segment, number: 2 }] }] }],
    ['segments is empty', { labelMaps: [{ ...map, segments: [] }], measurements: [] }],
    ['segments[0].label', { labelMaps: [{ ...map, segments: [{ ...segment, label: ' ' }] }] }],
    ['recommended_cielab', { labelMaps: [{ ...map, segments: [{ ...segment, recommendedCielab: [1, 2] }] }] }],
    ['warnings[0].code', { warnings: [{ code: 'No Code', message: 'x' }] }],
    ['warnings[0].message', { warnings: [{ code: 'x', message: 'x'.repeat(1001) }] }],
    ['control characters', { warnings: [{ code: 'x', message: 'a\u001bb' }] }],
    ['started_at is after', { startedAt: '2026-11-22T12:00:03Z' }],
    ['is no time', { finishedAt: 'soon' }],
    ['outside the life', { startedAt: '1999-01-01T00:00:00Z' }],
  ])('is refused, naming the field and never its value: %s', (problem, changes, given = {}) => {
    expect(() => checkResult({ ...good, ...changes }, { ...context, ...given })).toThrow(problem);
  });
});

describe('a unit', () => {
  it.each(['mL', '%', '1', 'mm2', "[hnsf'U]", 'kg/m2', '10*3/uL', '{ratio}', '/min', 'm[H2O]', 'cm3'])(
    '%s is one of UCUM',
    (unit) => expect(isUcum(unit)).toBe(true),
  );
  it.each(['furlongs', 'HU', 'Hounsfield', 'milliliter', 'mm^2', 'mm²', ' mL', 'mL ', '', 'm/', '(m', '{a', 'ml L'])(
    '%j is none',
    (unit) => expect(isUcum(unit)).toBe(false),
  );

  it('is decided whatever a worker sends, in no time', () => {
    const symbols = ['m', 'L', 'k', 'g', '(', ')', '[', ']', '{', '}', '/', '.', '*', '-', '1', '9', "'", '%', '"'];
    const began = performance.now();
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...symbols), { maxLength: 64 }), (parts) => {
        expect(typeof isUcum(parts.join(''))).toBe('boolean');
      }),
      { seed: 37, numRuns: 500 },
    );
    expect(performance.now() - began).toBeLessThan(10_000);
  });
});

it('knows which labels a label map holds, over chunks', () => {
  const values = new LabelValues();
  values.add(Uint8Array.of(0, 3, 0));
  values.add(Uint8Array.of(255, 3));
  expect(values.labels).toEqual([3, 255]);
});
