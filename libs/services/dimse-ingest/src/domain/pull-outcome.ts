import { AssociationRejectedError, isWarning, QueryStatus, type RetrieveOutcome, statusText } from '@callosum/dimse';
import { CallosumError, errorCode } from '@callosum/kernel';

/** What becomes of one study after its C-MOVE or C-GET. */
export type StudyEnd =
  | { readonly end: 'completed' }
  /** Some of it did not come: it is asked for again, and what came is known again. */
  | { readonly end: 'again'; readonly code: string }
  | { readonly end: 'failed'; readonly code: string }
  /** The source is busy: it is left alone for a while, as one that is away. */
  | { readonly end: 'later'; readonly code: string }
  /** No study of this source will come: the source does not know us. */
  | { readonly end: 'hopeless'; readonly code: string };

/** The first attempt and two more: what a busy source drops comes then. */
const studyAttemptsMax = 3;

/**
 * @param attempts failed before, of this study
 * @see PS3.4 tables C.4-2 and C.4-3
 */
export function afterRetrieve({ status, counts }: RetrieveOutcome, attempts: number): StudyEnd {
  const code = statusText(status);
  if (counts.failed === 0 && (status === QueryStatus.Success || isWarning(status))) return { end: 'completed' };
  if (status === QueryStatus.MoveDestinationUnknown) return { end: 'hopeless', code };
  if (status >= 0xa000 && status <= 0xafff) return { end: 'later', code };
  return attempts + 1 >= studyAttemptsMax ? { end: 'failed', code } : { end: 'again', code };
}

/** What becomes of a pull whose work was broken off by an error: it goes on later, or has failed for good. */
export type PullEnd = { readonly code: string; readonly again: boolean };

/** @param isOutage tells errors of libraries that say a dependency is away */
export function afterPullError(error: unknown, isOutage: (error: unknown) => boolean): PullEnd {
  const code = errorCode(error);
  if (error instanceof AssociationRejectedError) return { code, again: error.result === 2 };
  if (isOutage(error)) return { code, again: true };
  return { code, again: error instanceof CallosumError && error.kind === 'unavailable' };
}
