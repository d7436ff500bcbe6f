import type { worker } from '@callosum/contracts';
import { errorMessage } from '@callosum/kernel';

import type { Job } from '../application/ports.js';
import {
  InvalidManifestError,
  InvalidResultError,
  StaleFencingTokenError,
  TooManyModelsError,
  VendorMismatchError,
} from '../domain/errors.js';

export type Outbound = NonNullable<worker.OrchestratorMessage['message']>;

/** Stable codes of refusals: those of the contract, and what else can be wrong with a frame. */
export type RefusalCode =
  | 'stale-fencing-token'
  | 'invalid-result'
  | 'invalid-manifest'
  | 'too-many-models'
  | 'vendor-mismatch'
  | 'not-registered'
  | 'already-registered'
  | 'invalid-frame';

export const refusal = (jobId: string, code: RefusalCode, detail: string): Outbound => ({
  $case: 'refusal',
  value: { jobId, code, detail },
});

/** The refusal an error stands for; undefined when it is no fault of the frame. */
export function refusalOf(jobId: string, error: unknown): Outbound | undefined {
  const code = refusalCode(error);
  return code && refusal(jobId, code, errorMessage(error));
}

function refusalCode(error: unknown): RefusalCode | undefined {
  if (error instanceof StaleFencingTokenError) return 'stale-fencing-token';
  if (error instanceof InvalidResultError) return 'invalid-result';
  if (error instanceof TooManyModelsError) return 'too-many-models';
  if (error instanceof VendorMismatchError) return 'vendor-mismatch';
  return error instanceof InvalidManifestError ? 'invalid-manifest' : undefined;
}

export const duration = (ms: number): { seconds: bigint; nanos: number } => ({
  seconds: BigInt(Math.floor(ms / 1000)),
  nanos: Math.round((ms % 1000) * 1e6),
});

/** @param attemptForMs how long the worker may take; @param traceparent of the offer's span, the study's where there is none */
export const offer = (job: Job, attemptForMs: number, traceparent: string | undefined): Outbound => ({
  $case: 'offer',
  value: {
    jobId: job.id,
    fencingToken: job.fencingToken,
    attempt: job.attempts,
    deadline: duration(attemptForMs),
    traceparent: traceparent ?? job.traceparent ?? '',
    studyInstanceUid: job.studyInstanceUid,
    seriesInstanceUid: job.seriesInstanceUid,
  },
});
