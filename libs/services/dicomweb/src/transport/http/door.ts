import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { allowedMethods } from '../../conformance/allowed-methods.js';
import { allowOrigin, answerPreflight, isPreflight, varyByOrigin } from './cors.js';

/** What the door needs to know of the settings. */
export interface DoorSettings {
  /** Origins as browsers send them; none may read when undefined. */
  readonly CALLOSUM_CORS_ORIGINS?: readonly string[] | undefined;
}

/**
 * What holds for every answer under /dicom-web, whoever gives it: hooks that see a request before it is asked who sends it, so that
 * refusals of sign-in (401, 403) can be read by pages of other origins too, and a preflight, which has no token, is answered.
 */
export function configureDoor(fastify: FastifyInstance, settings: DoorSettings): void {
  // Bodies stay streams: STOW-RS reads them part by part under its own limits.
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  const origins = new Set(settings.CALLOSUM_CORS_ORIGINS ?? []);
  fastify.addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
    const path = pathOf(request);
    if (isOf('/viewer', path) && request.is404) return refuseMethod(viewerMethods, request, reply);
    if (!isOfDicomweb(path)) return undefined;
    void reply.headers(dataHeaders);
    if (allowOrigin(request, reply, origins) && isPreflight(request)) return answerPreflight(reply);
    return request.is404 ? refuseMethod(allowedMethods(path), request, reply) : undefined;
  });
  fastify.addHook('onSend', (request, reply, payload, done) => {
    if (isOfDicomweb(pathOf(request))) {
      if (origins.size > 0) varyByOrigin(reply);
      // Browsers show no PDF in a sandbox; what they show it with is one.
      if (/^application\/pdf\b/i.test(String(reply.getHeader('content-type') ?? '')))
        void reply.header(policy, "default-src 'none'; object-src 'self'; frame-ancestors 'self'");
    }
    done(null, payload);
  });
}

/** As the router has it: with a slash at the end it is the same resource. */
const pathOf = ({ url }: FastifyRequest): string => (url.split('?', 1)[0] ?? '').replace(/(?<=.)\/$/, '');
const isOf = (root: string, path: string): boolean => path === root || path.startsWith(`${root}/`);
const isOfDicomweb = (path: string): boolean => isOf('/dicom-web', path);

/** Of all files of the viewer, and all paths of its own router. */
const viewerMethods = ['GET', 'HEAD'];

const policy = 'content-security-policy';

/**
 * What is sent was written by others: names, documents, pixels. No page makes it anything else than its media type says, runs
 * what stands in it, or shows it to a page of another site that was not let in (Fetch standard, section 3.7).
 */
const dataHeaders = {
  'x-content-type-options': 'nosniff',
  [policy]: "default-src 'none'; sandbox; frame-ancestors 'self'",
  'cross-origin-resource-policy': 'same-origin',
} as const;

/** 405 with the methods that the resource has (RFC 9110 15.5.6), where it has others; nothing otherwise. */
function refuseMethod(
  allowed: readonly string[],
  { method }: FastifyRequest,
  reply: FastifyReply,
): FastifyReply | undefined {
  if (allowed.length === 0 || allowed.includes(method)) return undefined;
  return reply
    .code(405)
    .header('allow', allowed.join(', '))
    .type('text/plain; charset=utf-8')
    .send(`${method} is not a method of this resource: ${allowed.join(', ')}\n`);
}
