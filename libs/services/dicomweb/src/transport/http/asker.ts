import { createHash } from 'node:crypto';

import { principalOf } from '@callosum/auth';
import type { FastifyRequest } from 'fastify';

/**
 * Who asks, for a share of places and turns: the person at an application, so that those at one viewer are told apart; an
 * application that acts for itself is one. Opaque, since a subject may be somebody's name. Undefined where nobody is asked
 * for a token: that is on loopback only, and all of it comes from one machine.
 */
export function askerOf({ raw }: Pick<FastifyRequest, 'raw'>): string | undefined {
  const { kind, clientId, subject } = principalOf(raw);
  if (kind === 'anonymous') return undefined;
  // As JSON no two of them are the same text.
  const names = JSON.stringify([clientId ?? null, subject]);
  return `principal:${createHash('sha256').update(names).digest('base64url')}`;
}
