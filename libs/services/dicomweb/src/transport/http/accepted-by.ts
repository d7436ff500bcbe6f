import type { FastifyRequest } from 'fastify';

import { type Accepted, readAccept } from '../../domain/accept.js';

/** What the request's Accept header and `accept` parameter say. A plus sign in the parameter is one: "dicom+json". */
export function acceptedBy(request: FastifyRequest): Accepted[] {
  const query = request.url.split('?')[1]?.replaceAll('+', '%2B');
  return readAccept(request.headers.accept, new URLSearchParams(query).get('accept') ?? undefined);
}
