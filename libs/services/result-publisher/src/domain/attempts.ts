import { CallosumError, errorCode } from '@callosum/kernel';

/** How attempts at one publication failed. Each kind has its own limit: an outage says nothing about a refusal. */
export interface FailureCounts {
  /** Something it needs is away, or its credentials ran out. */
  readonly outages: number;
  /** The server or the record said no, in a way somebody else may mend (409, 412, 404, 410). */
  readonly refusals: number;
  /** Errors nobody foresaw. */
  readonly defects: number;
}

export const noFailures: FailureCounts = { outages: 0, refusals: 0, defects: 0 };

export type AfterFailure =
  { readonly park: string } | { readonly retryAfterMs: number; readonly failures: FailureCounts };

/** Conflicts are mended by whoever wrote the other resource: worth some more tries before the row is set aside. */
const refusalsMax = 8;
/** A defect may hang on a moment (a resource being restarted); one and a half minutes tell it from one that stays. */
const defectsMax = 8;
const retryMsMin = 500;
/** A sink that is back after hours is used again within half a minute. */
const retryMsMax = 30_000;

/**
 * What becomes of a publication whose attempt failed.
 * @param isOutage tells errors of libraries that say a dependency is away
 */
export function afterFailure(
  failures: FailureCounts,
  error: unknown,
  isOutage: (error: unknown) => boolean = () => false,
): AfterFailure {
  const kind = error instanceof CallosumError ? error.kind : 'internal';
  // Trying again gives the same.
  if (kind === 'invalid') return { park: errorCode(error) };
  // Credentials that ran out are renewed, and what waits for them is not lost.
  if (kind === 'unavailable' || kind === 'forbidden' || isOutage(error)) {
    return again({ ...failures, outages: failures.outages + 1 }, failures.outages);
  }
  if (kind === 'internal') {
    const defects = failures.defects + 1;
    if (defects >= defectsMax) return { park: errorCode(error, 'results.unexpected-error') };
    return again({ ...failures, defects }, failures.defects);
  }
  const refusals = failures.refusals + 1;
  if (refusals >= refusalsMax) return { park: errorCode(error) };
  return again({ ...failures, refusals }, failures.refusals);
}

/**
 * What is left of a publication whose attempt ended and could not be recorded, not even to set it aside: counted and
 * paused like any failure, for what fails once at recording may fail each time.
 */
export function afterUnrecorded(
  failures: FailureCounts,
  error: unknown,
  isOutage?: (error: unknown) => boolean,
): { readonly retryAfterMs: number; readonly failures: FailureCounts } {
  const after = afterFailure(failures, error, isOutage);
  return 'park' in after ? { retryAfterMs: retryMsMax, failures } : after;
}

/** Pauses grow with failures of the same kind only: a first refusal after a long outage is tried again soon. */
const again = (failures: FailureCounts, before: number): AfterFailure => ({
  retryAfterMs: Math.min(retryMsMin * 2 ** Math.min(before, 10), retryMsMax),
  failures,
});
