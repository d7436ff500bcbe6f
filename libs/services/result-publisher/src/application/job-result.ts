import type { inference } from '@callosum/contracts';
import { CallosumError } from '@callosum/kernel';

import type { Code, Finding, JobResult, LabelMap, Measurement, Model, Segment } from '../domain/result.js';

/** Thrown when a job's event lacks what a result cannot be without; the orchestrator lets none through. */
export class MalformedJobError extends CallosumError {
  constructor(jobId: string, field: string) {
    super('results.malformed-job', 'invalid', `job ${jobId} has no ${field}`);
  }
}

/**
 * The result as the domain knows it.
 * @param voxels of the label map, when there is one
 * @throws {MalformedJobError} when a field that cannot be missing is
 */
export function jobResult(job: inference.JobCompleted, voxels: Uint8Array | undefined): JobResult {
  const need = <T>(value: T | undefined, field: string): T => {
    if (value === undefined || value === '') throw new MalformedJobError(job.jobId, field);
    return value;
  };
  const input = need(job.input, 'input');
  const result = need(job.result, 'result');
  const [labelMap] = result.labelMaps;
  return {
    jobId: job.jobId,
    model: modelOf(job.jobId, job.model),
    resultDigest: need(job.resultDigest, 'result_digest'),
    studyInstanceUid: input.studyInstanceUid,
    seriesInstanceUid: input.seriesInstanceUid,
    sopInstanceUids: input.sopInstanceUids,
    findings: result.findings.map((finding): Finding => ({
      ...finding,
      concept: need(code(finding.concept), 'finding.concept'),
      findingSite: code(finding.findingSite),
    })),
    measurements: result.measurements.map((measurement): Measurement => ({
      ...measurement,
      concept: need(code(measurement.concept), 'measurement.concept'),
      unit: need(code(measurement.unit), 'measurement.unit'),
      findingSite: code(measurement.findingSite),
      method: code(measurement.method),
    })),
    warnings: result.warnings,
    labelMap: labelMap && voxels ? labelMapOf(labelMap, voxels, need) : undefined,
    completedAt: new Date(need(job.completedAt, 'completed_at')),
  };
}

/** @throws {MalformedJobError} when the job names no model */
export function modelOf(jobId: string, model: inference.ModelIdentity | undefined): Model {
  if (!model) throw new MalformedJobError(jobId, 'model');
  return model;
}

type Need = <T>(value: T | undefined, field: string) => T;

function labelMapOf(map: inference.LabelMap, voxels: Uint8Array, need: Need): LabelMap {
  const { columns, rows, slices } = map;
  const segments = map.segments.map((segment): Segment => ({
    ...segment,
    category: need(code(segment.category), 'segment.category'),
    type: need(code(segment.type), 'segment.type'),
    anatomicRegion: code(segment.anatomicRegion),
  }));
  return { columns, rows, slices, segments, voxels };
}

/** An empty code, which JSON may carry for an absent one, is none. */
const code = (value: Code | undefined): Code | undefined => (value?.value ? value : undefined);
