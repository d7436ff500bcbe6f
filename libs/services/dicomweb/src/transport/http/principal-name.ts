import { principalOf } from '@callosum/auth';
import type { FastifyRequest } from 'fastify';

/**
 * Name of who authenticated a request: the client, whoever uses it, for a source is the system whose Patient IDs these
 * are; the subject where the token names no client. Undefined where nobody is asked for a token.
 */
export function principalNameOf({ raw }: Pick<FastifyRequest, 'raw'>): string | undefined {
  const { kind, clientId, subject } = principalOf(raw);
  return kind === 'anonymous' ? undefined : (clientId ?? subject);
}
