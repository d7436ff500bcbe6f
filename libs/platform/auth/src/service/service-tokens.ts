import type { Clock } from '@callosum/kernel';
import { decodeJwt, jwtVerify, SignJWT } from 'jose';

import { UnauthenticatedError } from '../errors.js';
import { translated } from '../oidc/access-tokens.js';
import type { Principal } from '../principal.js';
import { type Caller, isCaller, rolesOfService } from '../roles.js';
import type { ServiceKeys } from './service-keys.js';

/** Issuer of tokens services make for each other; no identity provider has such a name, since theirs are URLs. */
export const serviceIssuer = 'callosum:services';
/** Long enough for a transaction to be sent again, short enough that a copied one is soon worth nothing. */
const lifeSeconds = 120;
/** A token is used again until this long before its end. */
const marginMs = 30_000;
/** By how much a machine's clock may be wrong, in seconds, in either direction: longer than time synchronisation is away unseen. */
const clockErrorSecondsMax = 180;
/** Of two services one clock may be behind and the other ahead: a token is taken so long before it begins and after it ends. */
const skewSeconds = 2 * clockErrorSecondsMax;
const type = 'callosum-service+jwt';

/** Tokens by which a service shows another who it is: short-lived, for one service, signed with a key all of them share. */
export class ServiceTokens {
  readonly #issued = new Map<string, { readonly token: string; readonly until: number }>();

  constructor(
    private readonly keys: Pick<ServiceKeys, 'all'>,
    private readonly clock: Clock,
  ) {}

  /** A token of `service` for `audience`. @throws {ServiceKeysError} */
  async issue(service: Caller, audience: Caller): Promise<string> {
    const now = this.clock.now().getTime();
    const known = this.#issued.get(`${service} ${audience}`);
    const [key] = await this.keys.all();
    if (!key) throw new UnauthenticatedError('unknown-key');
    if (known && now < known.until && known.token.startsWith(headerOf(key.kid))) return known.token;
    const seconds = Math.floor(now / 1000);
    const token = await new SignJWT()
      .setProtectedHeader({ alg: 'HS256', typ: type, kid: key.kid })
      .setIssuer(serviceIssuer)
      .setSubject(service)
      .setAudience(audience)
      .setIssuedAt(seconds)
      .setExpirationTime(seconds + lifeSeconds)
      .sign(key.secret);
    this.#issued.set(`${service} ${audience}`, { token, until: now + lifeSeconds * 1000 - marginMs });
    return token;
  }

  /** @throws {UnauthenticatedError} @throws {ServiceKeysError} */
  async verify(token: string, audience: Caller): Promise<Principal> {
    const keys = await this.keys.all();
    const find = ({ kid }: { kid?: string }): Uint8Array => {
      const key = keys.find((one) => one.kid === kid);
      if (!key) throw new UnauthenticatedError('unknown-key');
      return key.secret;
    };
    const { payload } = await jwtVerify(token, find, {
      issuer: serviceIssuer,
      audience,
      algorithms: ['HS256'],
      typ: type,
      clockTolerance: skewSeconds,
      maxTokenAge: lifeSeconds,
      requiredClaims: ['exp', 'iat', 'sub'],
      currentDate: this.clock.now(),
    }).catch((error: unknown) => {
      throw translated(error);
    });
    const service = payload.sub ?? '';
    if (!isCaller(service)) throw new UnauthenticatedError('unknown-peer');
    return { kind: 'service', subject: service, roles: new Set(rolesOfService[service] ?? []) };
  }
}

/** A token begins with its header: whether it was signed with this key shows without reading it. */
const headerOf = (kid: string): string =>
  Buffer.from(JSON.stringify({ alg: 'HS256', typ: type, kid })).toString('base64url');

/** Whether a token says that a service made it; nothing is proven by that. */
export function claimsToBeOfService(token: string): boolean {
  try {
    return decodeJwt(token).iss === serviceIssuer;
  } catch {
    return false;
  }
}
