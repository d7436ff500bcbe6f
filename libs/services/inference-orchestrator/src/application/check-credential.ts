import { credentialIdOf, sameHash, tokenHash } from '../domain/credential.js';
import { CredentialRefusedError } from '../domain/errors.js';
import type { Credentials } from './credential-ports.js';

/** Whose worker calls, as its credential proves. */
export interface WorkerIdentity {
  readonly credentialId: string;
  readonly vendor: string;
}

/**
 * @param authorization value of that metadata: "Bearer" and the token
 * @throws {CredentialRefusedError}
 */
export async function checkCredential(
  credentials: Pick<Credentials, 'inForce'>,
  authorization: string | undefined,
): Promise<WorkerIdentity> {
  const token = /^Bearer +(\S{1,200})$/i.exec(authorization ?? '')?.[1] ?? '';
  const credentialId = credentialIdOf(token);
  const known = credentialId === undefined ? undefined : await credentials.inForce(credentialId);
  if (credentialId === undefined || !known || !sameHash(known.tokenSha256, tokenHash(token)))
    throw new CredentialRefusedError();
  return { credentialId, vendor: known.vendor };
}
