/** Why an attempt ended without a result. */
export type AttemptFailure =
  'lease-expired' | 'deadline-exceeded' | 'invalid-result' | 'transient' | 'input-unusable' | 'input-changed';

/** `JobFailureReason` of the contract, without its prefix. */
export type FailureReason = 'ATTEMPTS_EXHAUSTED' | 'INVALID_RESULT' | 'INPUT_UNUSABLE' | 'SUPERSEDED';

export type AfterAttempt =
  | { readonly state: 'queued'; readonly retryAfterMs: number; readonly isUncounted?: true }
  | { readonly state: 'failed'; readonly reason: FailureReason };

/** A worker that restarts is back in seconds; one that fails at once must not spin. */
const retryInitialMs = 1_000;
const retryCapMs = 60_000;
/**
 * So often an attempt that found other images than the job's does not count: some half an hour, longer than the index
 * waits with the revision that supersedes the job.
 */
const changedInputsMax = 32;

/**
 * What becomes of a job whose attempt failed.
 * @param attempts made so far, the failed one included
 * @param uncounted attempts before it that did not count
 */
export function afterAttempt(
  failure: AttemptFailure,
  attempts: number,
  attemptsMax: number,
  uncounted = 0,
): AfterAttempt {
  // Nobody failed: the revision that hides some of its images supersedes the job, or they are shown again.
  if (failure === 'input-changed' && uncounted < changedInputsMax)
    return { state: 'queued', retryAfterMs: pauseMs(uncounted), isUncounted: true };
  if (failure === 'input-unusable') return { state: 'failed', reason: 'INPUT_UNUSABLE' };
  if (attempts >= attemptsMax) {
    return { state: 'failed', reason: failure === 'invalid-result' ? 'INVALID_RESULT' : 'ATTEMPTS_EXHAUSTED' };
  }
  // A lost lease has waited long enough already.
  if (failure === 'lease-expired') return { state: 'queued', retryAfterMs: 0 };
  return { state: 'queued', retryAfterMs: pauseMs(attempts - 1) };
}

const pauseMs = (before: number): number => Math.min(retryCapMs, retryInitialMs * 2 ** before);

/** One attempt may take this long: what the model says, within what the site allows. */
export function attemptMs(manifestMs: number | undefined, ceilingMs: number): number {
  return Math.min(manifestMs ?? ceilingMs, ceilingMs);
}

/** A running job's hold on its worker. */
export interface Lease {
  readonly fencingToken: bigint;
  readonly leaseUntil: Date;
  readonly deadlineAt: Date;
}

/** Why a running job is to be taken from its worker at `now`; undefined while it may go on. */
export function expiry(lease: Lease, now: Date): 'lease-expired' | 'deadline-exceeded' | undefined {
  if (lease.deadlineAt <= now) return 'deadline-exceeded';
  return lease.leaseUntil <= now ? 'lease-expired' : undefined;
}
