import { newId } from '@callosum/kernel';

import { makeToken, tokenHash } from '../domain/credential.js';
import { InvalidCredentialRequestError } from '../domain/errors.js';
import { nameCharactersMax } from '../domain/manifest.js';
import type { Credentials } from './credential-ports.js';

/** Both are shown in lists, a line each. */
const oneLine = /^\P{Cc}*$/u;

export interface CredentialRequest {
  readonly vendor: string;
  readonly label: string;
  readonly expiresAt: Date | undefined;
  /** Subject of whoever asks. */
  readonly issuedBy: string;
}

/**
 * Makes a credential. The token is known to the caller from now on and to nobody else: its hash is what is kept.
 * @throws {InvalidCredentialRequestError}
 */
export async function issueCredential(
  credentials: Pick<Credentials, 'add'>,
  { vendor, label, expiresAt, issuedBy }: CredentialRequest,
  now: Date,
): Promise<{ readonly id: string; readonly token: string }> {
  if (vendor.trim() === '' || vendor.length > nameCharactersMax || !oneLine.test(vendor))
    throw new InvalidCredentialRequestError('vendor is the one of its manifests, 1 to 64 characters');
  if (label.length > nameCharactersMax || !oneLine.test(label))
    throw new InvalidCredentialRequestError('label has at most 64 characters');
  if (expiresAt && !(expiresAt > now)) throw new InvalidCredentialRequestError('expires_at is in the past');
  const id = newId();
  const token = makeToken(id);
  await credentials.add({ id, vendor, label, tokenSha256: tokenHash(token), issuedBy, expiresAt });
  return { id, token };
}
