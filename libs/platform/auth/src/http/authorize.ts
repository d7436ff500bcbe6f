import type { Authenticator } from '../authenticator.js';
import { AccessDeniedError } from '../errors.js';
import { anonymous, type Principal } from '../principal.js';
import { holds } from '../roles.js';
import { accessTo } from './routes.js';

export interface HttpCall {
  readonly method: string;
  /** Template of the route; undefined when none matches, which will be a 404. */
  readonly route: string | undefined;
  readonly path: string;
  readonly authorization: string | undefined;
}

/**
 * Who calls, when they may. Where authentication is off everyone is anonymous, and only loopback is bound.
 * @throws {UnauthenticatedError} @throws {AccessDeniedError} @throws {ProviderUnavailableError}
 */
export async function authorizeHttp(authenticator: Authenticator, call: HttpCall): Promise<Principal> {
  if (!authenticator.httpOn) return anonymous;
  const access = call.route === undefined ? [] : accessTo(call.method, call.route, call.path);
  if (access === 'public') return anonymous;
  const principal = await authenticator.bearer(call.authorization);
  // Nothing is there, and whoever is known may learn so.
  if (call.route === undefined) return principal;
  if (!access || !holds(principal.roles, access)) throw new AccessDeniedError(access ?? []);
  return principal;
}
