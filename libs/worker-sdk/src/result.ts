import { inference } from '@callosum/contracts';

import { InvalidResultError } from './errors.js';
import type { Manifest } from './manifest.js';

/** A coded concept: SNOMED CT ("SCT"), DICOM ("DCM"), LOINC ("LN"), UCUM… */
export interface Code {
  readonly value: string;
  readonly scheme: string;
  readonly meaning: string;
}

export type Laterality = '' | 'R' | 'L' | 'B';

/** A measured number with its UCUM unit. */
export interface Measurement {
  /** Unique in the result, stable over runs. */
  readonly id: string;
  readonly concept: Code;
  readonly value: number;
  /** Scheme "UCUM": `{ value: 'mL', scheme: 'UCUM', meaning: 'milliliter' }`. */
  readonly unit: Code;
  /** The segment it was measured on; none or 0 when it is about no segment. */
  readonly segmentNumber?: number;
  readonly findingSite?: Code;
  /** Method or derivation. */
  readonly method?: Code;
  readonly laterality?: Laterality;
}

/** A coded finding, with the model's probability from 0 to 1 where it has one. */
export interface Finding {
  readonly concept: Code;
  readonly present: boolean;
  readonly probability?: number;
  readonly findingSite?: Code;
}

/** One segment of a label map. */
export interface Segment {
  /** 1, 2, 3… without gaps; also its value in the label map. */
  readonly number: number;
  readonly label: string;
  /** Segmented Property Category, e.g. SCT 123037004 "Anatomical Structure". */
  readonly category: Code;
  /** Segmented Property Type, e.g. SCT 39607008 "Lung". */
  readonly type: Code;
  readonly anatomicRegion?: Code;
  /** Recommended Display CIELab Value (0062,000D): three values 0 to 65535. */
  readonly recommendedCielab?: readonly [number, number, number];
  readonly laterality?: Laterality;
}

/** A mask on the grid of the input volume: `sha256` is what `job.writeLabelMap` gave back. */
export interface LabelMap {
  readonly columns: number;
  readonly rows: number;
  readonly slices: number;
  readonly sha256: string;
  readonly segments: readonly Segment[];
}

/** Something a reader must know: `{ code: 'lungs-truncated', message: 'The lungs are cut off by the field of view.' }`. */
export interface Warning {
  /** Stable machine code. */
  readonly code: string;
  readonly message: string;
}

/** What a handler returns. Times are added by the SDK. */
export interface JobResult {
  readonly findings?: readonly Finding[];
  readonly measurements?: readonly Measurement[];
  /** At most one. */
  readonly labelMaps?: readonly LabelMap[];
  readonly warnings?: readonly Warning[];
}

/** What the job's handler wrote with `writeLabelMap`. */
export interface WrittenLabelMap {
  readonly columns: number;
  readonly rows: number;
  readonly slices: number;
  readonly sha256: string;
  /** Largest value found in the labels. */
  readonly labelMax: number;
}

/** A label is one byte and 0 is the background. */
const segmentsMax = 255;
/** The orchestrator's own bounds: more is a table, not a report, and the frame stays under gRPC's 4 MiB. */
const findingsMax = 256;
const measurementsMax = 1024;
const warningsMax = 64;
const textCharactersMax = 1000;
/** A UID in Long Code Value; Coding Scheme Designator and Code Meaning are SH and LO (PS3.3 section 8). */
const codeValueCharactersMax = 64;
const codeSchemeCharactersMax = 16;
const codeMeaningCharactersMax = 64;

/**
 * Checks a handler's result against the job's label map and gives it as the protocol carries it.
 * @throws InvalidResultError naming the field that is wrong, never its value.
 */
export function resultToWire(
  result: JobResult,
  times: { readonly startedAt: Date; readonly finishedAt: Date },
  written: WrittenLabelMap | undefined,
  outputs: Manifest['outputs'],
): inference.InferenceResult {
  if (typeof result !== 'object' || result === null) throw new InvalidResultError('a handler returns a result');
  checkOutputs(result, outputs);
  const labelMaps = list('labelMaps', result.labelMaps, 1);
  const segments = labelMaps[0]?.segments ?? [];
  const measurements = list('measurements', result.measurements, measurementsMax);
  if (new Set(measurements.map(({ id }) => id)).size !== measurements.length) {
    throw new InvalidResultError('measurements: each id once');
  }
  return {
    findings: list('findings', result.findings, findingsMax).map((finding, at) =>
      findingToWire(`findings[${String(at)}]`, finding),
    ),
    measurements: measurements.map((measurement, at) =>
      measurementToWire(`measurements[${String(at)}]`, measurement, segments.length),
    ),
    labelMaps: labelMaps.map((labelMap) => labelMapToWire(labelMap, written)),
    warnings: list('warnings', result.warnings, warningsMax).map(({ code, message }, at) => ({
      code: text(`warnings[${String(at)}].code`, code, 64),
      message: text(`warnings[${String(at)}].message`, message),
    })),
    startedAt: times.startedAt.toISOString(),
    finishedAt: times.finishedAt.toISOString(),
  };
}

function checkOutputs(result: JobResult, outputs: Manifest['outputs']): void {
  const { findings = [], measurements = [], labelMaps = [], warnings = [] } = result;
  const returned = { findings, measurements, 'label-map': labelMaps };
  for (const [output, items] of Object.entries(returned)) {
    if (items.length > 0 && !outputs.some((declared) => declared === output)) {
      throw new InvalidResultError(`${output}: not an output of the manifest`);
    }
  }
  if (findings.length + measurements.length + labelMaps.length + warnings.length === 0) {
    throw new InvalidResultError('the result is empty');
  }
}

function findingToWire(at: string, finding: Finding): inference.Finding {
  const { probability } = finding;
  if (typeof finding.present !== 'boolean') throw new InvalidResultError(`${at}.present: true or false`);
  if (probability !== undefined && !(probability >= 0 && probability <= 1)) {
    throw new InvalidResultError(`${at}.probability: 0 to 1`);
  }
  return {
    concept: code(`${at}.concept`, finding.concept),
    present: finding.present,
    ...(probability === undefined ? {} : { probability }),
    findingSite: optionalCode(`${at}.findingSite`, finding.findingSite),
  };
}

function measurementToWire(at: string, measurement: Measurement, segmentCount: number): inference.Measurement {
  if (!Number.isFinite(measurement.value)) throw new InvalidResultError(`${at}.value: a finite number`);
  const unit = code(`${at}.unit`, measurement.unit);
  if (unit.scheme !== 'UCUM') throw new InvalidResultError(`${at}.unit.scheme: UCUM`);
  if (!/^[!-~]+$/.test(unit.value)) throw new InvalidResultError(`${at}.unit.value: a UCUM unit`);
  const segmentNumber = measurement.segmentNumber ?? 0;
  if (!Number.isInteger(segmentNumber) || segmentNumber < 0 || segmentNumber > segmentCount) {
    throw new InvalidResultError(`${at}.segmentNumber: a segment of the label map, or 0`);
  }
  return {
    id: text(`${at}.id`, measurement.id, 64),
    concept: code(`${at}.concept`, measurement.concept),
    value: measurement.value,
    unit,
    segmentNumber,
    findingSite: optionalCode(`${at}.findingSite`, measurement.findingSite),
    method: optionalCode(`${at}.method`, measurement.method),
    laterality: laterality(at, measurement.laterality),
  };
}

function labelMapToWire(labelMap: LabelMap, written: WrittenLabelMap | undefined): inference.LabelMap {
  const { columns, rows, slices, sha256, segments } = labelMap;
  if (!written || written.sha256 !== sha256) {
    throw new InvalidResultError('labelMaps[0].sha256: write the label map first and name its sha256');
  }
  if (written.columns !== columns || written.rows !== rows || written.slices !== slices) {
    throw new InvalidResultError('labelMaps[0]: other dimensions than were written');
  }
  if (segments.length === 0 || segments.length > segmentsMax) {
    throw new InvalidResultError(`labelMaps[0].segments: 1 to ${String(segmentsMax)}`);
  }
  if (written.labelMax > segments.length) {
    throw new InvalidResultError('labelMaps[0].segments: the labels hold a value that is no segment');
  }
  return {
    columns,
    rows,
    slices,
    artifactKey: '',
    sha256,
    segments: segments.map((segment, index) => segmentToWire(segment, index)),
  };
}

function segmentToWire(segment: Segment, index: number): inference.Segment {
  const at = `labelMaps[0].segments[${String(index)}]`;
  if (segment.number !== index + 1) throw new InvalidResultError(`${at}.number: 1, 2, 3… in order`);
  const cielab = [...(segment.recommendedCielab ?? [])];
  const fits = cielab.every((value) => Number.isInteger(value) && value >= 0 && value <= 65535);
  if ((cielab.length !== 0 && cielab.length !== 3) || !fits) {
    throw new InvalidResultError(`${at}.recommendedCielab: three values 0 to 65535`);
  }
  return {
    number: segment.number,
    label: text(`${at}.label`, segment.label, 64),
    category: code(`${at}.category`, segment.category),
    type: code(`${at}.type`, segment.type),
    anatomicRegion: optionalCode(`${at}.anatomicRegion`, segment.anatomicRegion),
    recommendedCielab: cielab,
    laterality: laterality(at, segment.laterality),
  };
}

function list<T>(name: string, items: readonly T[] | undefined, max: number): readonly T[] {
  const all = items ?? [];
  if (!Array.isArray(all) || all.length > max) throw new InvalidResultError(`${name}: at most ${String(max)}`);
  return all;
}

function text(name: string, value: string, charactersMax = textCharactersMax): string {
  if (typeof value !== 'string' || value.trim() === '' || value.length > charactersMax) {
    throw new InvalidResultError(`${name}: 1 to ${String(charactersMax)} characters`);
  }
  return value;
}

function code(name: string, value: Code): inference.Code {
  if (typeof value !== 'object' || value === null) throw new InvalidResultError(`${name}: a code`);
  return {
    value: text(`${name}.value`, value.value, codeValueCharactersMax),
    scheme: text(`${name}.scheme`, value.scheme, codeSchemeCharactersMax),
    meaning: text(`${name}.meaning`, value.meaning, codeMeaningCharactersMax),
  };
}

function optionalCode(name: string, value: Code | undefined): inference.Code | undefined {
  return value === undefined ? undefined : code(name, value);
}

function laterality(at: string, value: Laterality = ''): string {
  if (!['', 'R', 'L', 'B'].includes(value)) throw new InvalidResultError(`${at}.laterality: R, L or B`);
  return value;
}
