import type { FastifyReply, FastifyRequest } from 'fastify';

// Cross-origin resource sharing as the Fetch standard has it (section 3.2, "HTTP CORS protocol").

/** Headers that a page that was let in may send and read, beside those that every page may. */
export const headersOfPages = {
  sent: ['accept', 'authorization', 'content-type', 'if-match', 'if-none-match', 'if-range', 'range', 'traceparent'],
  read: [
    'allow',
    'content-encoding',
    'content-location',
    'content-length',
    'content-range',
    'accept-ranges',
    'etag',
    'retry-after',
    'vary',
    'warning',
    'www-authenticate',
  ],
} as const;
const sent = headersOfPages.sent.join(', ');
const read = headersOfPages.read.join(', ');
/** Of the resources of PS3.18 chapter 10 that are served here. */
const methods = 'GET, HEAD, POST, OPTIONS';
/** How long a browser need not ask again, in seconds: no longer than a setting that was changed may go on to hold. */
const maxAgeSeconds = 600;

/**
 * Says to a page of an origin that was let in that it may read the answer; to any other nothing is said, and browsers keep the answer
 * from it. Cookies are not taken (no `Access-Control-Allow-Credentials`): sign-in is by token.
 * @returns whether the request is of such a page
 */
export function allowOrigin(request: FastifyRequest, reply: FastifyReply, origins: ReadonlySet<string>): boolean {
  const { origin } = request.headers;
  if (origin === undefined || !origins.has(origin)) return false;
  void reply.header('access-control-allow-origin', origin).header('access-control-expose-headers', read);
  return true;
}

/** Whether a browser asks if it may send another request (Fetch standard, "CORS-preflight request"). */
export const isPreflight = ({ method, headers }: FastifyRequest): boolean =>
  method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;

export const answerPreflight = (reply: FastifyReply): FastifyReply =>
  reply
    .code(204)
    .header('access-control-allow-methods', methods)
    .header('access-control-allow-headers', sent)
    .header('access-control-max-age', String(maxAgeSeconds))
    .send();

/** What is kept of an answer to one origin must not be given to another, or to none (RFC 9110 12.5.5). */
export function varyByOrigin(reply: FastifyReply): void {
  const by = reply.getHeader('vary');
  void reply.header('vary', by === undefined ? 'origin' : `${String(by)}, origin`);
}
