import { CallosumError, errorCode } from '@callosum/kernel';

import { ClaimLostError, LinkNotCurrentError } from './errors.js';
import type { ClaimedPublication, PublicationOutcome } from './ports.js';
import { publish, type PublishDependencies } from './publish.js';

/** Where claimed publications come from and their outcome goes. */
export interface Publications {
  claim(leaseMs: number): Promise<ClaimedPublication | undefined>;
  isOutdated(claim: ClaimedPublication): Promise<boolean>;
  /** Records the outcome and the fact of it, in one transaction. */
  succeed(claim: ClaimedPublication, outcome: PublicationOutcome): Promise<void>;
  settle(claim: ClaimedPublication, state: 'published' | 'superseded'): Promise<void>;
  retry(claim: ClaimedPublication, errorCode: string, delayMs: number): Promise<void>;
  park(claim: ClaimedPublication, errorCode: string): Promise<void>;
}

export type AttemptEnd = 'published' | 'unchanged' | 'superseded' | 'retry' | 'parked';

/** An attempt is over well before: reading, 10 s for the index, 25 s for FHIR. */
export const claimLeaseMs = 120_000;
const retryMsMin = 500;
/** A sink that is back after hours is used again within half a minute. */
const retryMsMax = 30_000;
/** A conflict may be mended by whoever wrote the other resource: worth some more tries before the row is set aside. */
const refusalsMax = 8;

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
    if (claim.kind === 'result' && (await publications.isOutdated(claim))) {
      await publications.settle(claim, 'superseded');
      return { end: 'superseded' };
    }
    const outcome = await publish(dependencies, claim);
    if (!outcome) {
      await publications.settle(claim, 'published');
      return { end: 'unchanged' };
    }
    await publications.succeed(claim, outcome);
    return { end: 'published' };
  } catch (error) {
    if (error instanceof ClaimLostError) throw error;
    if (isFinal(error, claim)) {
      await publications.park(claim, errorCode(error));
      return { end: 'parked', error };
    }
    await publications.retry(claim, errorCode(error), retryDelayMs(claim, error));
    return { end: 'retry', error };
  }
}

/** A refused resource stays refused; credentials that ran out are renewed, and what waits for them is not lost. */
function isFinal(error: unknown, { attempts }: ClaimedPublication): boolean {
  if (!(error instanceof CallosumError) || error.retriable || error.kind === 'forbidden') return false;
  return error.kind === 'invalid' || attempts + 1 >= refusalsMax;
}

function retryDelayMs({ attempts }: ClaimedPublication, error: unknown): number {
  // A new decision makes the row due at once; this is for a decision we heard of before the index was read.
  const base = error instanceof LinkNotCurrentError ? retryMsMin * 2 : retryMsMin;
  return Math.min(base * 2 ** Math.min(attempts, 10), retryMsMax);
}
