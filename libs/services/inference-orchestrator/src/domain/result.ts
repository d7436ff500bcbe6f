import { InvalidResultError } from './errors.js';
import type { Manifest } from './manifest.js';
import { isPlainText, problemOfCode, problemOfName } from './text.js';
import { isUcum } from './ucum.js';

/** The fields of `callosum.inference.v1` this checks, as they arrive. */
export interface RawCode {
  readonly value: string;
  readonly scheme: string;
  readonly meaning: string;
}
export interface RawResult {
  readonly findings: readonly {
    readonly concept: RawCode | undefined;
    readonly probability?: number | undefined;
    readonly findingSite: RawCode | undefined;
  }[];
  readonly measurements: readonly {
    readonly id: string;
    readonly concept: RawCode | undefined;
    readonly value: number;
    readonly unit: RawCode | undefined;
    readonly segmentNumber: number;
    readonly findingSite: RawCode | undefined;
    readonly method: RawCode | undefined;
    readonly laterality: string;
  }[];
  readonly labelMaps: readonly {
    readonly columns: number;
    readonly rows: number;
    readonly slices: number;
    readonly sha256: string;
    readonly segments: readonly {
      readonly number: number;
      readonly label: string;
      readonly category: RawCode | undefined;
      readonly type: RawCode | undefined;
      readonly anatomicRegion: RawCode | undefined;
      readonly recommendedCielab: readonly number[];
      readonly laterality: string;
    }[];
  }[];
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
  readonly startedAt: string | undefined;
  readonly finishedAt: string | undefined;
}

/** What a result is held against. */
export interface ResultContext {
  readonly grid: { readonly columns: number; readonly rows: number; readonly slices: number };
  readonly outputs: Manifest['outputs'];
  /** Distinct values of the job's stored label maps, by their digest. */
  readonly labelMaps: ReadonlyMap<string, readonly number[]>;
  readonly scheduledAt: Date;
  readonly now: Date;
}

const findingsMax = 256;
const measurementsMax = 1024;
const warningsMax = 64;
const segmentsMax = 255;
/** Up to 16 characters go into Code Value (SH), more into Long Code Value (UC); no code of a public scheme is longer. */
const codeValueCharactersMax = 64;
/** SH: Coding Scheme Designator (PS3.3 8.2). */
const schemeCharactersMax = 16;
/** LO: Code Meaning, Segment Label, Tracking Identifier. */
const longStringCharactersMax = 64;
const warningCharactersMax = 1000;
/** A vendor's clock may be this wrong. */
const clockSkewMs = 24 * 3_600_000;

/**
 * Checks that a result holds together, and against its job.
 * @throws {InvalidResultError} naming the first field that does not
 */
export function checkResult(result: RawResult, context: ResultContext): void {
  require(result.findings.length + result.measurements.length + result.labelMaps.length + result.warnings.length >
    0, 'result is empty');
  atMost('findings', result.findings, findingsMax);
  atMost('measurements', result.measurements, measurementsMax);
  atMost('label_maps', result.labelMaps, 1);
  atMost('warnings', result.warnings, warningsMax);
  const declared = (list: readonly unknown[], output: Manifest['outputs'][number], field: string): void =>
    require(list.length === 0 || context.outputs.includes(output), `${field}: not an output of the manifest`);
  declared(result.findings, 'FINDINGS', 'findings');
  declared(result.measurements, 'MEASUREMENTS', 'measurements');
  declared(result.labelMaps, 'LABEL_MAP', 'label_maps');
  checkFindings(result.findings);
  checkLabelMaps(result.labelMaps, context);
  checkMeasurements(result.measurements, result.labelMaps[0]?.segments.length ?? 0);
  checkWarnings(result.warnings);
  checkTimes(result, context);
}

function checkFindings(findings: RawResult['findings']): void {
  findings.forEach(({ concept, probability, findingSite }, i) => {
    const at = `findings[${i}]`;
    code(`${at}.concept`, concept);
    optionalCode(`${at}.finding_site`, findingSite);
    require(probability === undefined || (probability >= 0 && probability <= 1), `${at}.probability must be 0 to 1`);
  });
}

function checkMeasurements(measurements: RawResult['measurements'], segments: number): void {
  const ids = new Set<string>();
  measurements.forEach((one, i) => {
    const at = `measurements[${i}]`;
    noProblem(`${at}.id`, problemOfName(one.id, longStringCharactersMax));
    require(!ids.has(one.id), `${at}.id is used twice`);
    ids.add(one.id);
    code(`${at}.concept`, one.concept);
    require(Number.isFinite(one.value), `${at}.value is no finite number`);
    code(`${at}.unit`, one.unit);
    require(one.unit?.scheme === 'UCUM', `${at}.unit must be of UCUM`);
    require(isUcum(one.unit?.value ?? ''), `${at}.unit.value is no unit of UCUM, case sensitive`);
    require(one.segmentNumber >= 0 && one.segmentNumber <= segments, `${at}.segment_number names no segment`);
    optionalCode(`${at}.finding_site`, one.findingSite);
    optionalCode(`${at}.method`, one.method);
    laterality(at, one.laterality);
    const isPlaced = one.segmentNumber > 0 || Boolean(one.findingSite?.value);
    require(one.laterality === '' || isPlaced, `${at}.laterality is of no finding_site and no segment`);
  });
}

function checkLabelMaps(labelMaps: RawResult['labelMaps'], { grid, labelMaps: stored }: ResultContext): void {
  labelMaps.forEach(({ columns, rows, slices, sha256, segments }, i) => {
    const at = `label_maps[${i}]`;
    const same = columns === grid.columns && rows === grid.rows && slices === grid.slices;
    require(same, `${at}: not the grid of the input`);
    require(segments.length > 0, `${at}.segments is empty`);
    atMost(`${at}.segments`, segments, segmentsMax);
    segments.forEach((segment, k) => checkSegment(`${at}.segments[${k}]`, segment, k + 1));
    const labels = stored.get(sha256);
    require(labels !== undefined, `${at}.sha256 is no label map written for this job`);
    const unknown = labels?.some((label) => label > segments.length) === true;
    require(!unknown, `${at} has voxels of segments that are not declared`);
  });
}

function checkSegment(at: string, segment: RawResult['labelMaps'][number]['segments'][number], number: number): void {
  require(segment.number === number, `${at}.number must be ${number}: 1, 2, 3… in order`);
  noProblem(`${at}.label`, problemOfName(segment.label, longStringCharactersMax));
  code(`${at}.category`, segment.category);
  code(`${at}.type`, segment.type);
  optionalCode(`${at}.anatomic_region`, segment.anatomicRegion);
  laterality(at, segment.laterality);
  const { recommendedCielab: lab } = segment;
  const isColour = lab.length === 3 && lab.every((value) => value >= 0 && value <= 65_535);
  require(lab.length === 0 || isColour, `${at}.recommended_cielab must be three values 0 to 65535`);
}

function checkWarnings(warnings: RawResult['warnings']): void {
  warnings.forEach(({ code: value, message }, i) => {
    require(/^[a-z0-9][a-z0-9-]{0,63}$/.test(value), `warnings[${i}].code must be 1 to 64 of a-z, 0-9 and -`);
    const fits = message.trim() !== '' && message.length <= warningCharactersMax;
    require(fits, `warnings[${i}].message must be 1 to ${warningCharactersMax} characters`);
    require(isPlainText(message), `warnings[${i}].message holds control characters`);
  });
}

function checkTimes({ startedAt, finishedAt }: RawResult, { scheduledAt, now }: ResultContext): void {
  const times = [startedAt, finishedAt].map((time) => (time === undefined ? undefined : Date.parse(time)));
  const [started, finished] = times;
  for (const time of times) {
    if (time === undefined) continue;
    require(Number.isFinite(time), 'started_at or finished_at is no time');
    const sane = time >= scheduledAt.getTime() - clockSkewMs && time <= now.getTime() + clockSkewMs;
    require(sane, 'started_at or finished_at is outside the life of the job');
  }
  if (started !== undefined && finished !== undefined) require(started <= finished, 'started_at is after finished_at');
}

function code(at: string, value: RawCode | undefined): void {
  if (!value) throw new InvalidResultError(`${at} is missing`);
  noProblem(`${at}.value`, problemOfCode(value.value, codeValueCharactersMax));
  noProblem(`${at}.scheme`, problemOfCode(value.scheme, schemeCharactersMax));
  noProblem(`${at}.meaning`, problemOfName(value.meaning, longStringCharactersMax));
}

/** An empty code stands for none. */
function optionalCode(at: string, value: RawCode | undefined): void {
  if (value && (value.value || value.scheme || value.meaning)) code(at, value);
}

function noProblem(at: string, problem: string | undefined): void {
  require(problem === undefined, `${at} ${problem}`);
}

function laterality(at: string, value: string): void {
  require(['', 'R', 'L', 'B'].includes(value), `${at}.laterality must be empty, R, L or B`);
}

function atMost(field: string, list: readonly unknown[], max: number): void {
  require(list.length <= max, `${field} has more than ${max} entries`);
}

function require(holds: boolean, problem: string): void {
  if (!holds) throw new InvalidResultError(problem);
}
