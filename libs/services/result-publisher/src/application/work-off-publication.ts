import { errorCode } from '@callosum/kernel';

import { afterFailure, type FailureCounts } from '../domain/attempts.js';
import { correct } from './correct.js';
import { ClaimLostError } from './errors.js';
import type { ClaimedPublication, PublicationOutcome } from './ports.js';
import { publish, type PublishDependencies, publishSuperseded } from './publish.js';

/** Where claimed publications come from and their outcome goes. */
export interface Publications {
  claim(leaseMs: number): Promise<ClaimedPublication | undefined>;
  isOutdated(claim: ClaimedPublication): Promise<boolean>;
  /** Records the outcome and the fact of it, in one transaction. */
  succeed(claim: ClaimedPublication, outcome: PublicationOutcome): Promise<void>;
  settle(claim: ClaimedPublication, state: 'published' | 'superseded'): Promise<void>;
  retry(claim: ClaimedPublication, errorCode: string, failures: FailureCounts, delayMs: number): Promise<void>;
  park(claim: ClaimedPublication, errorCode: string): Promise<void>;
  /** Lets the study go without an outcome; due again after `delayMs`. Nothing where another one has it by now. */
  giveBack(claim: ClaimedPublication, failures: FailureCounts, delayMs: number): Promise<void>;
}

export type AttemptEnd = 'published' | 'unchanged' | 'superseded' | 'retry' | 'parked';

/** An attempt is over well before: reading, 10 s for the index, 25 s for FHIR. */
export const claimLeaseMs = 120_000;

/**
 * One attempt at a claimed publication, and what becomes of its row: published, tried again with growing pauses while
 * a sink is away, or set aside when it is refused for good.
 * @returns how it ended, and the error that decided so
 */
export async function workOff(
  publications: Publications,
  dependencies: PublishDependencies,
  claim: ClaimedPublication,
): Promise<{ end: AttemptEnd; error?: unknown }> {
  try {
    return { end: await attempt(publications, dependencies, claim) };
  } catch (error) {
    if (error instanceof ClaimLostError) throw error;
    const after = afterFailure(claim.failures, error, dependencies.isOutage);
    if ('park' in after) {
      await publications.park(claim, after.park);
      return { end: 'parked', error };
    }
    await publications.retry(claim, errorCode(error), after.failures, after.retryAfterMs);
    return { end: 'retry', error };
  }
}

async function attempt(
  publications: Publications,
  dependencies: PublishDependencies,
  claim: ClaimedPublication,
): Promise<AttemptEnd> {
  if (claim.kind === 'result' && (await publications.isOutdated(claim))) {
    await publishSuperseded(dependencies, claim);
    await publications.settle(claim, 'superseded');
    return 'superseded';
  }
  const outcome = await (claim.kind === 'correction' ? correct : publish)(dependencies, claim);
  if (!outcome) {
    await publications.settle(claim, 'published');
    return 'unchanged';
  }
  await publications.succeed(claim, outcome);
  return 'published';
}
