import { errorOutcome } from '@callosum/fhir';

import { AccessDeniedError, UnauthenticatedError } from '../errors.js';
import { CallosumError } from '@callosum/kernel';

/** An answer instead of the route's own. */
export interface Denial {
  readonly status: 401 | 403 | 503;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const realm = 'Bearer realm="callosum"';

/**
 * What a caller is told (RFC 6750 section 3), in the form of the API it asked: an OperationOutcome under /fhir, plain
 * text under /dicom-web (PS3.18 8.5 leaves it open), problem details (RFC 9457) elsewhere.
 * Errors that are neither are for the caller's own handling: undefined.
 */
export function denialOf(error: unknown, path: string): Denial | undefined {
  if (error instanceof UnauthenticatedError) {
    const challenge =
      error.reason === 'no-credentials'
        ? realm
        : `${realm}, error="invalid_token", error_description="${error.message}"`;
    return denial(401, error, path, { 'www-authenticate': challenge });
  }
  if (error instanceof AccessDeniedError) {
    const scope = error.needed.length > 0 ? `, scope="${error.needed.join(' ')}"` : '';
    return denial(403, error, path, { 'www-authenticate': `${realm}, error="insufficient_scope"${scope}` });
  }
  if (error instanceof CallosumError && error.kind === 'unavailable')
    return denial(503, error, path, { 'retry-after': '5' });
  return undefined;
}

const fhirCodes = { 401: 'login', 403: 'forbidden', 503: 'transient' } as const;

function denial(
  status: Denial['status'],
  { code, message }: CallosumError,
  path: string,
  headers: Readonly<Record<string, string>>,
): Denial {
  const answer = (type: string, body: string): Denial => ({
    status,
    code,
    headers: { ...headers, 'cache-control': 'no-store', 'content-type': type },
    body,
  });
  if (under('/fhir', path))
    return answer('application/fhir+json; charset=utf-8', JSON.stringify(errorOutcome(fhirCodes[status], message)));
  if (under('/dicom-web', path)) return answer('text/plain; charset=utf-8', `${message}\n`);
  const problem = { type: `urn:callosum:${code}`, title: code, status, detail: message };
  return answer('application/problem+json', JSON.stringify(problem));
}

const under = (prefix: string, path: string): boolean => path === prefix || path.startsWith(`${prefix}/`);
