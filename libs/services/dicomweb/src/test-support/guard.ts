import { type Principal, setPrincipal } from '@callosum/auth';
import type { FastifyRequest } from 'fastify';

/** Finds out who sends a request, before a route runs. */
export type Guard = (request: FastifyRequest) => Promise<void>;

/** Takes the headers `x-client` and `x-subject` for what a token says; without them nobody is asked for one. */
export const guardByHeaders: Guard = ({ raw, headers }) => {
  const { 'x-client': clientId, 'x-subject': subject = clientId } = headers as Record<string, string | undefined>;
  const client: Pick<Principal, 'clientId'> = clientId === undefined ? {} : { clientId };
  if (subject !== undefined) setPrincipal(raw, { kind: 'bearer', subject, ...client, roles: new Set() });
  return Promise.resolve();
};
