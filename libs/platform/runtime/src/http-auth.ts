import type { IncomingMessage } from 'node:http';

import { type Authenticator, authorizeHttp, denialOf, type Principal, principalOf, setPrincipal } from '@callosum/auth';
import { errorCode } from '@callosum/kernel';
import { count, type Logger } from '@callosum/telemetry';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { waitsToGoOn } from './expect-continue.js';

/**
 * Asks of each request who sends it, before any of its body is read, and keeps the answer for `principalOf`. Routes
 * are named by template: a path may hold a Patient ID.
 */
export function guardHttp(
  fastify: FastifyInstance,
  service: string,
  authenticator: Authenticator,
  logger: Logger,
): void {
  fastify.addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
    const path = request.url.split('?', 1)[0] ?? '/';
    const { method } = request;
    const route = request.is404 ? undefined : request.routeOptions.url;
    try {
      const call = { method, route, path, authorization: request.headers.authorization };
      setPrincipal(request.raw, await authorizeHttp(authenticator, call));
    } catch (error) {
      const denial = denialOf(error, path);
      if (!denial) throw error;
      const labels = { 'callosum.service': service, 'callosum.listener': 'http', 'error.type': denial.code };
      count('callosum.auth.denied', 1, labels);
      logger.info({ method, route, status: denial.status, code: errorCode(error) }, 'http.denied');
      // A client that waits to be told to go on reads the answer first.
      if (!waitsToGoOn(request.raw)) discard(request.raw);
      return reply.code(denial.status).headers(denial.headers).send(denial.body);
    }
  });
}

/** What is read of a body nobody wants, so that its sender gets to the answer; more would keep us busy for a stranger. */
const discardBytesMax = 16 * 1024 * 1024;
const discardMs = 5_000;

/** Many clients look for an answer only when they have sent all, and take a connection closed before that for a failure. */
function discard(body: IncomingMessage): void {
  let bytes = 0;
  const cut = (): void => void body.socket.destroy();
  const timer = setTimeout(cut, discardMs);
  body.on('data', (chunk: Buffer) => (bytes += chunk.length) > discardBytesMax && cut());
  for (const event of ['end', 'close', 'error'] as const) body.on(event, () => clearTimeout(timer));
}

/** Who calls, as a parameter of a controller's method: `@CallerPrincipal() principal: Principal`. */
export const CallerPrincipal = createParamDecorator((_data: unknown, context: ExecutionContext): Principal =>
  principalOf(context.switchToHttp().getRequest<FastifyRequest>().raw),
);
