import type { IncomingMessage } from 'node:http';

import type { Role } from './roles.js';

/** Who calls, as far as it was proven. */
export interface Principal {
  /**
   * `anonymous`: authentication is off, or the route is public. `bearer`: a person or client of the identity provider.
   * `service`: another service of this site. `local`: whoever may open a socket in the data folder.
   */
  readonly kind: 'anonymous' | 'bearer' | 'service' | 'local';
  /** `sub` of the token, or the service's name: stable, and what an audit names. Not a name of a patient. */
  readonly subject: string;
  /** `client_id` or `azp` of the token: the application in use. */
  readonly clientId?: string;
  readonly roles: ReadonlySet<Role>;
}

export const anonymous: Principal = Object.freeze({
  kind: 'anonymous',
  subject: 'anonymous',
  roles: new Set<Role>(),
});

export const local: Principal = Object.freeze({ kind: 'local', subject: 'local', roles: new Set<Role>() });

const principals = new WeakMap<IncomingMessage, Principal>();

/** Set by the guard before a route runs. */
export function setPrincipal(request: IncomingMessage, principal: Principal): void {
  principals.set(request, principal);
}

/**
 * Who sent this HTTP request: `principalOf(request.raw)` in a controller. `anonymous` where authentication is off, which
 * only loopback allows.
 */
export function principalOf(request: IncomingMessage): Principal {
  return principals.get(request) ?? anonymous;
}
