import type { PrincipalContext } from '@callosum/auth';
import type { worker } from '@callosum/contracts';
import { type Clock, isUuid } from '@callosum/kernel';
import type { Logger } from '@callosum/telemetry';
import type { CallContext } from 'nice-grpc';

import { issueCredential } from '../application/issue-credential.js';
import type { Credentials } from '../application/credential-ports.js';
import { CredentialNotFoundError, InvalidCredentialRequestError } from '../domain/errors.js';

/** callosum.worker.v1.WorkerCredentialService, on the internal port. */
export class CredentialsGrpc implements worker.WorkerCredentialServiceImplementation<PrincipalContext> {
  constructor(
    private readonly credentials: Credentials,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  async issueCredential(
    { vendor, label, expiresAt }: worker.IssueCredentialRequest,
    { principal }: CallContext & PrincipalContext,
  ): Promise<worker.IssueCredentialResponse> {
    const expires = expiresAt === undefined ? undefined : new Date(expiresAt);
    if (expires && Number.isNaN(expires.getTime())) throw new InvalidCredentialRequestError('expires_at is no time');
    const asked = { vendor, label, expiresAt: expires, issuedBy: principal.subject };
    const { id, token } = await issueCredential(this.credentials, asked, this.clock.now());
    this.log.info({ credential: id, vendor, by: principal.subject }, 'credential.issued');
    return { credentialId: id, token };
  }

  async listCredentials(): Promise<worker.ListCredentialsResponse> {
    const credentials = await this.credentials.list();
    return {
      credentials: credentials.map(({ id, vendor, label, issuedAt, issuedBy, expiresAt, revokedAt, lastUsedAt }) => ({
        credentialId: id,
        vendor,
        label,
        issuedBy,
        issuedAt: issuedAt.toISOString(),
        expiresAt: expiresAt?.toISOString(),
        revokedAt: revokedAt?.toISOString(),
        lastUsedAt: lastUsedAt?.toISOString(),
      })),
    };
  }

  async revokeCredential(
    { credentialId }: worker.RevokeCredentialRequest,
    { principal }: CallContext & PrincipalContext,
  ): Promise<worker.RevokeCredentialResponse> {
    if (!isUuid(credentialId) || !(await this.credentials.revoke(credentialId))) throw new CredentialNotFoundError();
    this.log.info({ credential: credentialId, by: principal.subject }, 'credential.revoked');
    return {};
  }
}
