import { isTransientDatabaseError } from '@callosum/database';
import { CallosumError } from '@callosum/kernel';
import { ObjectExistsError } from '@callosum/object-store';

import { ArchiveUnavailableError } from './errors.js';

export const passesLater = (error: unknown): boolean =>
  error instanceof CallosumError ? error.retriable : isTransientDatabaseError(error);

/** What a caller may try again later, in one class; every other error says something about the object. */
export function asUnavailable(error: unknown): unknown {
  if (error instanceof ArchiveUnavailableError) return error;
  if (error instanceof CallosumError) {
    // A blob key is new and random: that it exists means a write of ours whose answer was lost and tried again.
    const again = error.kind === 'unavailable' || error instanceof ObjectExistsError;
    return again ? new ArchiveUnavailableError(error.code, { cause: error }) : error;
  }
  return isTransientDatabaseError(error)
    ? new ArchiveUnavailableError('the database does not answer', { cause: error })
    : error;
}

/** An answer of the database. @throws {ArchiveUnavailableError} when it gives none now */
export const available = <T>(answer: Promise<T>): Promise<T> =>
  answer.catch((error: unknown) => {
    throw asUnavailable(error);
  });
