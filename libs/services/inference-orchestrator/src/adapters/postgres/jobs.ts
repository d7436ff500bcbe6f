import { inference } from '@callosum/contracts';
import { type Kysely, type Selectable, sql } from 'kysely';

import type { FailureText, HeldJob, Job } from '../../application/ports.js';
import type { AttemptFailure, FailureReason } from '../../domain/attempt.js';
import { manifestOf } from './models.js';
import type { JobTable, Tables } from './tables.js';

/** Of this service's jobs only; a worker may send any text. */
const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Held jobs that can be asked for at all: the others are nobody's. */
export const wellFormed = (jobs: readonly HeldJob[]): HeldJob[] =>
  jobs.filter(({ jobId, fencingToken }) => uuidPattern.test(jobId) && fencingToken <= BigInt(Number.MAX_SAFE_INTEGER));

/** `(id, fencing_token) in (…)` of `jobs`, which is not empty. */
export const isOneOf = (jobs: readonly HeldJob[]) =>
  sql<boolean>`(id, fencing_token) in (${sql.join(
    jobs.map(({ jobId, fencingToken }) => sql`(${jobId}::uuid, ${fencingToken}::bigint)`),
  )})`;

export async function findJob(db: Kysely<Tables>, jobId: string): Promise<Job | undefined> {
  if (!uuidPattern.test(jobId)) return undefined;
  const row = await db
    .selectFrom('job')
    .innerJoin('model', (join) =>
      join.onRef('model.model_id', '=', 'job.model_id').onRef('model.version', '=', 'job.model_version'),
    )
    .selectAll('job')
    .select('model.manifest')
    .where('job.id', '=', jobId)
    .executeTakeFirst();
  return row && toJob(row);
}

function toJob(row: Selectable<JobTable> & { readonly manifest: object }): Job {
  return {
    id: row.id,
    studyInstanceUid: row.study_instance_uid,
    studyRevision: row.study_revision,
    seriesInstanceUid: row.series_instance_uid,
    sopInstanceUids: row.sop_instance_uids,
    inputDigest: row.input_digest,
    grid: { columns: row.columns, rows: row.rows, slices: row.slices },
    manifest: manifestOf(row.manifest),
    state: row.state,
    attempts: row.attempts,
    fencingToken: BigInt(row.fencing_token),
    resultDigest: row.result_digest ?? undefined,
    lastFailure: (row.error_code ?? undefined) as AttemptFailure | undefined,
    scheduledAt: row.scheduled_at,
    attemptStartedAt: row.attempt_started_at ?? undefined,
    traceparent: row.traceparent ?? undefined,
    correlationId: row.correlation_id ?? undefined,
    causationId: row.causation_id ?? undefined,
  };
}

const failuresOfInput: ReadonlySet<string | null> = new Set<AttemptFailure>(['input-unusable', 'invalid-result']);
/** Of a failed job: whether another try with the same input gives the same. */
export const isOfInput = (errorCode: string | null): boolean => failuresOfInput.has(errorCode);

export const inputOf = (job: Job): inference.JobInput => ({
  studyInstanceUid: job.studyInstanceUid,
  studyRevision: job.studyRevision,
  seriesInstanceUid: job.seriesInstanceUid,
  sopInstanceUids: [...job.sopInstanceUids],
  inputDigest: job.inputDigest,
});

const reasons: Readonly<Record<FailureReason, inference.JobFailureReason>> = {
  ATTEMPTS_EXHAUSTED: inference.JobFailureReason.JOB_FAILURE_REASON_ATTEMPTS_EXHAUSTED,
  INVALID_RESULT: inference.JobFailureReason.JOB_FAILURE_REASON_INVALID_RESULT,
  INPUT_UNUSABLE: inference.JobFailureReason.JOB_FAILURE_REASON_INPUT_UNUSABLE,
  SUPERSEDED: inference.JobFailureReason.JOB_FAILURE_REASON_SUPERSEDED,
};

export const jobFailed = (job: Job, reason: FailureReason, text: FailureText, at: Date): inference.JobFailed => ({
  jobId: job.id,
  model: job.manifest.model,
  input: inputOf(job),
  reason: reasons[reason],
  detail: 'ours' in text ? text.ours : '',
  detailArtifact: 'worker' in text ? text.worker : undefined,
  attempts: job.attempts,
  failedAt: at.toISOString(),
});
