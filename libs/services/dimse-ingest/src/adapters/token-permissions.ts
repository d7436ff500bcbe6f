import { type Authenticator, holds, type Role, UnauthenticatedError } from '@callosum/auth';

import type { TokenPermissions } from '../application/entity-ports.js';
import type { Permission } from '../domain/permission.js';

/** What the roles of HTTP callers mean here: who may STOW may store, who may search and retrieve may that here too. */
const permissionsOf: readonly (readonly [Role, readonly Permission[]])[] = [
  ['dicom-writer', ['store', 'commitment', 'procedure-steps']],
  ['dicom-reader', ['query', 'retrieve', 'worklist']],
];

/** Tokens of people and applications, checked as those of HTTP callers are. */
export class AuthenticatedTokens implements TokenPermissions {
  constructor(private readonly authenticator: Pick<Authenticator, 'bearer'>) {}

  async of(token: string): Promise<readonly Permission[]> {
    const { kind, roles } = await this.authenticator.bearer(`Bearer ${token}`);
    // Services of this site prove themselves to each other, not here.
    if (kind !== 'bearer') throw new UnauthenticatedError('wrong-issuer');
    return permissionsOf.flatMap(([role, permissions]) => (holds(roles, [role]) ? permissions : []));
  }
}
