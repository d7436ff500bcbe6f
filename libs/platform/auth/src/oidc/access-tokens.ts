import type { Clock } from '@callosum/kernel';
import { errors, type JWTPayload, jwtVerify } from 'jose';

import { UnauthenticatedError, type UnauthenticatedReason } from '../errors.js';
import type { Principal } from '../principal.js';
import { normalType, type OidcConfig } from '../settings.js';
import { rolesOf } from './claims.js';
import type { ProviderKeys } from './provider-keys.js';

/** Checks access tokens of the identity provider (RFC 9068 section 4, RFC 8725). */
export class AccessTokens {
  constructor(
    private readonly config: OidcConfig,
    private readonly keys: Pick<ProviderKeys, 'find'>,
    private readonly clock: Clock,
  ) {}

  /**
   * @throws {UnauthenticatedError} with what is wrong
   * @throws {ProviderUnavailableError} when it cannot be told, because the keys are not to be had
   */
  async verify(token: string): Promise<Principal> {
    const { issuer, audience, algorithms, clockSkewSeconds, tokenTypes } = this.config;
    const { payload, protectedHeader } = await jwtVerify(token, (header) => this.keys.find(header), {
      issuer,
      audience,
      algorithms: [...algorithms],
      clockTolerance: clockSkewSeconds,
      requiredClaims: ['exp', 'sub'],
      currentDate: this.clock.now(),
    }).catch((error: unknown) => {
      throw translated(error);
    });
    if (!tokenTypes.includes(normalType(protectedHeader.typ ?? 'JWT'))) throw new UnauthenticatedError('wrong-type');
    return this.#principal(payload);
  }

  #principal(payload: JWTPayload): Principal {
    const client = payload['client_id'] ?? payload['azp'];
    return {
      kind: 'bearer',
      subject: payload.sub ?? '',
      ...(typeof client === 'string' ? { clientId: client } : {}),
      roles: rolesOf(payload, this.config.rolesClaim, this.config.rolePrefix),
    };
  }
}

const claimReasons: Readonly<Record<string, UnauthenticatedReason>> = {
  iss: 'wrong-issuer',
  aud: 'wrong-audience',
  nbf: 'token-not-yet-valid',
  iat: 'token-not-yet-valid',
};

/** What jose says, in our words; what is no fault of the token passes through. */
export function translated(error: unknown): unknown {
  if (!(error instanceof errors.JOSEError)) return error;
  return new UnauthenticatedError(reasonOf(error), { cause: error });
}

function reasonOf(error: errors.JOSEError): UnauthenticatedReason {
  if (error instanceof errors.JWTExpired) return 'token-expired';
  if (error instanceof errors.JWTClaimValidationFailed) return claimReasons[error.claim] ?? 'invalid-token';
  if (error instanceof errors.JOSEAlgNotAllowed) return 'wrong-algorithm';
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
    return 'unknown-key';
  return error instanceof errors.JWSSignatureVerificationFailed ? 'bad-signature' : 'invalid-token';
}
