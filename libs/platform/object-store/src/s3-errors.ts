import { ObjectExistsError, ObjectNotFoundError, ObjectStoreUnavailableError } from './errors.js';

/** The SDK's errors in the port's terms. */
export function translate(error: unknown, key: string): unknown {
  const name = error instanceof Error ? error.name : '';
  const status = statusOf(error);
  // Without its bucket nothing is known of an object.
  if (name !== 'NoSuchBucket' && (status === 404 || name === 'NoSuchKey' || name === 'NotFound'))
    return new ObjectNotFoundError(key);
  // 409 is a write of the same key at the same time: who of the two wins is not known yet.
  if (status === 412 || name === 'PreconditionFailed') return new ObjectExistsError(key);
  return new ObjectStoreUnavailableError(name || 'no answer', { cause: error });
}

/**
 * Of a write: one that finds no bucket, or its upload gone, did not find "no object". The same write may pass later, and
 * the sender keeps what it has.
 */
export function translateWrite(error: unknown, key: string): unknown {
  const translated = translate(error, key);
  if (!(translated instanceof ObjectNotFoundError)) return translated;
  const name = error instanceof Error ? error.name : '';
  return new ObjectStoreUnavailableError(name || 'it does not find where to write', { cause: error });
}

export const statusOf = (error: unknown): number | undefined =>
  (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode;
