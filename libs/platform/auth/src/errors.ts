import { CallosumError } from '@callosum/kernel';

/**
 * Thrown when what a caller shows is no proof of who it is: no token, an expired one, one of another issuer. Answered
 * with 401 (RFC 6750 section 3.1, `invalid_token`) or gRPC UNAUTHENTICATED. Never holds the token.
 */
export class UnauthenticatedError extends CallosumError {
  constructor(
    readonly reason: UnauthenticatedReason,
    options?: { cause?: unknown },
  ) {
    super(`auth.${reason}`, 'forbidden', texts[reason], options);
  }
}

export type UnauthenticatedReason =
  | 'no-credentials'
  | 'malformed-credentials'
  | 'token-expired'
  | 'token-not-yet-valid'
  | 'wrong-issuer'
  | 'wrong-audience'
  | 'wrong-type'
  | 'wrong-algorithm'
  | 'unknown-key'
  | 'bad-signature'
  | 'invalid-token'
  | 'unknown-peer';

const texts: Readonly<Record<UnauthenticatedReason, string>> = {
  'no-credentials': 'credentials are needed here',
  'malformed-credentials': 'the Authorization header is not "Bearer" and a token',
  'token-expired': 'the token has expired',
  'token-not-yet-valid': 'the token is not valid yet',
  'wrong-issuer': 'the token is of another issuer',
  'wrong-audience': 'the token is for another audience',
  'wrong-type': 'the token is of a type that is not taken here',
  'wrong-algorithm': 'the token is signed by an algorithm that is not taken here',
  'unknown-key': 'the token is signed by a key its issuer does not publish',
  'bad-signature': "the token's signature is wrong",
  'invalid-token': 'the token is not usable',
  'unknown-peer': 'the certificate names no service of this site',
};

/** Thrown when somebody known may not do this: 403 `insufficient_scope`, or gRPC PERMISSION_DENIED. */
export class AccessDeniedError extends CallosumError {
  constructor(
    /** Any one of these roles would do; empty when no role does. */
    readonly needed: readonly string[],
  ) {
    super(
      'auth.access-denied',
      'forbidden',
      needed.length > 0 ? `one of these roles is needed: ${needed.join(', ')}` : 'this caller may not do that',
    );
  }
}

/** Thrown when the identity provider cannot be asked and nothing it said before helps; the same call may pass later. */
export class ProviderUnavailableError extends CallosumError {
  constructor(what: string, options?: { cause?: unknown }) {
    super('auth.provider-unavailable', 'unavailable', what, options);
  }
}

/** Thrown when the file of service keys is missing, or holds no usable key. Names the path, never a key. */
export class ServiceKeysError extends CallosumError {
  constructor(problem: string, options?: { cause?: unknown }) {
    super('auth.service-keys', 'unavailable', problem, options);
  }
}
