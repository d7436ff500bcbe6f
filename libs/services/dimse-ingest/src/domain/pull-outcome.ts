import {
  AssociationAbortedError,
  AssociationRejectedError,
  ContextRefusedError,
  isWarning,
  QueryStatus,
  type RetrieveOutcome,
  statusText,
} from '@callosum/dimse';
import { CallosumError, errorCode } from '@callosum/kernel';

import { UncallableEntityError } from './forwarding-errors.js';

/** What becomes of one study after its C-MOVE or C-GET. */
export type StudyEnd =
  | { readonly end: 'completed' }
  /** Some of it did not come: it is asked for again, and what came is known again. */
  | { readonly end: 'again'; readonly code: string }
  | { readonly end: 'failed'; readonly code: string }
  /**
   * The source is busy, or we are: it is left alone for a while, as one that is away. `failed`: it ended its association while it was
   * asked for this study, which may be why.
   */
  | { readonly end: 'later'; readonly code: string; readonly failed: boolean }
  /** No study of this source will come: the source does not know us. */
  | { readonly end: 'hopeless'; readonly code: string };

/** The first attempt and two more: what a busy source drops comes then. */
const studyAttemptsMax = 3;

/** What a busy source drops comes a moment later; an outage, of its own or of another replica of ours, takes longer. */
export const studyPauseMs = (failures: number): number => (failures > 1 ? 300_000 : 10_000);

/**
 * @param failures before, of this study
 * @see PS3.4 tables C.4-2 and C.4-3
 */
export function afterRetrieve({ status, counts }: RetrieveOutcome, failures: number): StudyEnd {
  const code = statusText(status);
  if (counts.failed === 0 && (status === QueryStatus.Success || isWarning(status))) return { end: 'completed' };
  if (status === QueryStatus.MoveDestinationUnknown) return { end: 'hopeless', code };
  if (status === QueryStatus.IdentifierDoesNotMatchSopClass) return { end: 'failed', code };
  // A702 is also the status of a retrieve of which every sub-operation failed (PS3.4 C.4.2.3.1): it had room for that one.
  const isRefused = status >= 0xa000 && status <= 0xafff && counts.failed === 0;
  return isRefused ? { end: 'later', code, failed: false } : failed(code, failures);
}

const failed = (code: string, failures: number): StudyEnd => ({
  end: failures + 1 >= studyAttemptsMax ? 'failed' : 'again',
  code,
});

/**
 * What becomes of a study whose C-MOVE or C-GET was broken off. A source that ends its association, or says nothing, may do
 * so for this study alone (an object it cannot read, a dead tape): it does where it gives others. One that gives none is
 * away.
 * @param gave whether the source gave another study of the pull
 * @param isOutage tells errors of libraries that say a dependency is away
 * @returns undefined where the error is not about the study
 */
export function afterRetrieveError(
  error: unknown,
  failures: number,
  gave: boolean,
  isOutage: (error: unknown) => boolean,
): StudyEnd | undefined {
  const code = errorCode(error);
  if (error instanceof AssociationAbortedError)
    return gave && failures + 1 >= studyAttemptsMax ? { end: 'failed', code } : { end: 'later', code, failed: true };
  if (error instanceof AssociationRejectedError || error instanceof ContextRefusedError) return undefined;
  if (isOutage(error) || (error instanceof CallosumError && error.kind === 'unavailable')) return undefined;
  return failed(code, failures);
}

/** @param refusal why we did not store an object of it: the source's status does not say that */
export const becauseOf = (after: StudyEnd, refusal: string | undefined): StudyEnd =>
  refusal !== undefined && (after.end === 'again' || after.end === 'failed') ? { ...after, code: refusal } : after;

/** What was refused here because we had no room, or something we need was away, is no failure of the study. */
export const unlessOurs = (after: StudyEnd, outage: string | undefined): StudyEnd =>
  outage === undefined || after.end === 'completed' || after.end === 'hopeless'
    ? after
    : { end: 'later', code: outage, failed: false };

/** What becomes of a pull whose work was broken off by an error: it goes on later, or has failed for good. */
export type PullEnd = { readonly code: string; readonly again: boolean };

/** @param isOutage tells errors of libraries that say a dependency is away */
export function afterPullError(error: unknown, isOutage: (error: unknown) => boolean): PullEnd {
  const code = errorCode(error);
  if (error instanceof AssociationRejectedError) return { code, again: error.result === 2 };
  // An entry that was taken out may be put back: until then its source is away, as one that forwarding sends to.
  if (isOutage(error) || error instanceof UncallableEntityError) return { code, again: true };
  return { code, again: error instanceof CallosumError && error.kind === 'unavailable' };
}
