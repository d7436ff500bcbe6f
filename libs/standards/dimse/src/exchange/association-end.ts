import { AssociationAbortedError } from '../errors.js';

export type AssociationEnd =
  | { readonly how: 'released' }
  /** By A-ABORT, from the peer or from us; `code` is stable. */
  | { readonly how: 'aborted'; readonly by: 'peer' | 'us'; readonly code: string }
  /** The connection went away without A-RELEASE or A-ABORT. */
  | { readonly how: 'lost' };

/** What calls that wait are told. */
export function endedError(end: AssociationEnd, detail?: string, cause?: unknown): AssociationAbortedError {
  const options = cause === undefined ? undefined : { cause };
  if (end.how === 'released') return new AssociationAbortedError('the association was released', options);
  if (end.how === 'lost')
    return new AssociationAbortedError(
      detail ? `the connection broke: ${detail}` : 'the peer closed the connection',
      options,
    );
  if (end.by === 'peer')
    return new AssociationAbortedError(`the peer aborted the association (${detail ?? 'no reason'})`, options);
  return new AssociationAbortedError(detail ?? `aborted by us: ${end.code}`, { ...options, abortCode: end.code });
}
