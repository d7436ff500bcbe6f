import { worker } from '@callosum/contracts';
import type { Client } from 'nice-grpc';

import { ask } from './connect.js';
import { UsageError } from './errors.js';

export interface WorkersOptions {
  readonly vendor?: string | undefined;
  readonly label?: string | undefined;
  /** Days. */
  readonly expires?: string | undefined;
}

export interface WorkersPlace {
  readonly address: string;
  readonly env: NodeJS.ProcessEnv;
  readonly say: (line: string) => void;
}

const dayMs = 86_400_000;
const daysMax = 3_650;
const timeoutMs = 30_000;

type Service = Client<worker.WorkerCredentialServiceDefinition>;

/**
 * `callosum workers issue|list|revoke`.
 * @throws {UsageError} @throws {ServiceFailedError}
 */
export async function workers(
  [command, id, ...rest]: readonly string[],
  options: WorkersOptions,
  { address, env, say }: WorkersPlace,
): Promise<number> {
  const work = rest.length > 0 ? undefined : workOf(command, id, options, say);
  if (!work) throw new UsageError('say "workers issue --vendor NAME", "workers list" or "workers revoke ID"');
  await ask('inference-orchestrator', address, worker.WorkerCredentialServiceDefinition, env, work);
  return 0;
}

function workOf(
  command: string | undefined,
  id: string | undefined,
  options: WorkersOptions,
  say: (line: string) => void,
): ((service: Service) => Promise<void>) | undefined {
  if (command === 'issue' && id === undefined) return issue(options, say);
  if (command === 'list' && id === undefined) return list(say);
  if (command === 'revoke' && id !== undefined) return revoke(id, say);
  return undefined;
}

function issue({ vendor, label = '', expires }: WorkersOptions, say: (line: string) => void) {
  if (!vendor) throw new UsageError('--vendor is the vendor in the manifests the credential may register');
  const days = expires === undefined ? undefined : Number(expires);
  if (days !== undefined && !(days > 0 && days <= daysMax))
    throw new UsageError(`--expires is a number of days, ${daysMax} at most`);
  const expiresAt = days === undefined ? undefined : new Date(Date.now() + days * dayMs).toISOString();
  return async (service: Service): Promise<void> => {
    const { credentialId, token } = await service.issueCredential({ vendor, label, expiresAt }, deadline());
    say(`credential  ${credentialId}`);
    say(`token       ${token}`);
    say('The token is shown this once: give it to the vendor as CALLOSUM_WORKER_TOKEN.');
  };
}

function list(say: (line: string) => void) {
  return async (service: Service): Promise<void> => {
    const { credentials } = await service.listCredentials({}, deadline());
    for (const one of credentials) {
      const state = one.revokedAt
        ? `revoked ${one.revokedAt}`
        : one.expiresAt
          ? `${Date.parse(one.expiresAt) <= Date.now() ? 'expired' : 'expires'} ${one.expiresAt}`
          : 'in force';
      const issued = `issued ${one.issuedAt ?? ''} by ${one.issuedBy}`;
      const used = one.lastUsedAt ? `used ${one.lastUsedAt}` : 'never used';
      say([one.credentialId, one.vendor, one.label || '-', state, issued, used].join('  '));
    }
    if (credentials.length === 0) say('no credentials');
  };
}

function revoke(id: string, say: (line: string) => void) {
  return async (service: Service): Promise<void> => {
    await service.revokeCredential({ credentialId: id }, deadline());
    say(`revoked  ${id}`);
  };
}

const deadline = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(timeoutMs) });
