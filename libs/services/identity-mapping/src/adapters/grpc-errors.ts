import { CallosumError } from '@callosum/kernel';
import { ClientError, Status } from 'nice-grpc';

/**
 * Thrown when study-index cannot be reached, or does not know a study that it told of: it is being rebuilt, or its database
 * was restored and it has yet to handle again what it had handled. Both pass; set aside, the study would stand still.
 */
export class StudyIndexError extends CallosumError {
  constructor(status: Status, options: { cause: unknown }) {
    const missing = status === Status.NOT_FOUND;
    super(
      missing ? 'identity.study-not-indexed' : 'identity.study-index-unavailable',
      'unavailable',
      missing ? 'study-index does not know the study' : `study-index answered ${Status[status] ?? String(status)}`,
      options,
    );
  }
}

export function rethrow(error: unknown): never {
  if (error instanceof ClientError) throw new StudyIndexError(error.code, { cause: error });
  throw error;
}
