import { SettingsError } from '@callosum/config';
import { type Clock, systemClock } from '@callosum/kernel';

import { UnauthenticatedError } from './errors.js';
import { AccessTokens } from './oidc/access-tokens.js';
import { ClientCredentials } from './oidc/client-credentials.js';
import { type KeyTimes, keyTimes, ProviderKeys } from './oidc/provider-keys.js';
import type { Principal } from './principal.js';
import type { Caller } from './roles.js';
import { ServiceKeys } from './service/service-keys.js';
import { claimsToBeOfService, ServiceTokens } from './service/service-tokens.js';
import { certificateRefreshMs } from './tls-files.js';
import { type AuthSettings, type InternalAuth, internalAuth, oidcConfig } from './settings.js';

/** More than any token of use; Node's own limit for all headers of a request is 16 KiB. */
const tokenCharactersMax = 12_000;

/** What one service knows of authentication: whom it believes, and how it proves itself. One per service. */
export class Authenticator {
  /** Whether HTTP callers must show a token. */
  readonly httpOn: boolean;
  readonly internal: InternalAuth;
  readonly certificateRefreshMs: number;
  readonly #accessTokens: AccessTokens | undefined;
  readonly #serviceTokens: ServiceTokens | undefined;
  readonly #clientCredentials: ClientCredentials | undefined;

  /** @throws {SettingsError} when settings do not fit together */
  constructor(
    readonly service: Caller,
    settings: AuthSettings,
    options: { readonly clock?: Clock; readonly keyTimes?: KeyTimes; readonly certificateRefreshMs?: number } = {},
  ) {
    const clock = options.clock ?? systemClock;
    const oidc = oidcConfig(settings);
    this.httpOn = oidc !== undefined;
    this.internal = internalAuth(settings);
    this.certificateRefreshMs = options.certificateRefreshMs ?? certificateRefreshMs;
    if (oidc)
      this.#accessTokens = new AccessTokens(
        oidc,
        new ProviderKeys(oidc.issuer, options.keyTimes ?? keyTimes, clock),
        clock,
      );
    const keysFile = settings.CALLOSUM_AUTH_SERVICE_KEYS_FILE;
    if (keysFile !== undefined) this.#serviceTokens = new ServiceTokens(new ServiceKeys(keysFile, clock), clock);
    const { CALLOSUM_AUTH_CLIENT_ID: clientId, CALLOSUM_AUTH_CLIENT_SECRET_FILE: secretFile } = settings;
    if (clientId === undefined) return;
    if (!oidc || secretFile === undefined)
      throw new SettingsError([
        'CALLOSUM_AUTH_CLIENT_ID: needs CALLOSUM_AUTH_OIDC_ISSUER and CALLOSUM_AUTH_CLIENT_SECRET_FILE',
      ]);
    const scope = settings.CALLOSUM_AUTH_CLIENT_SCOPE;
    const { issuer, audience } = oidc;
    const credentials = { issuer, audience, clientId, secretFile, ...(scope ? { scope } : {}) };
    this.#clientCredentials = new ClientCredentials(credentials, clock);
  }

  /**
   * Who sent this `Authorization` value.
   * @throws {UnauthenticatedError} @throws {ProviderUnavailableError} @throws {ServiceKeysError}
   */
  async bearer(authorization: string | undefined): Promise<Principal> {
    if (authorization === undefined) throw new UnauthenticatedError('no-credentials');
    const token = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization)?.[1];
    if (!token || token.length > tokenCharactersMax) throw new UnauthenticatedError('malformed-credentials');
    if (this.#serviceTokens && claimsToBeOfService(token)) return this.#serviceTokens.verify(token, this.service);
    if (!this.#accessTokens) throw new UnauthenticatedError('wrong-issuer');
    return this.#accessTokens.verify(token);
  }

  /**
   * The token this service shows to the FHIR server; undefined where it needs none. A client of the identity provider
   * goes first: a server that is not Callosum's must not get tokens that services of this site believe.
   */
  get fhirToken(): (() => Promise<string>) | undefined {
    const credentials = this.#clientCredentials;
    if (credentials) return () => credentials.token();
    const tokens = this.#serviceTokens;
    return this.httpOn && tokens ? () => tokens.issue(this.service, 'fhir-gateway') : undefined;
  }

  /** The token this service shows to another over gRPC; undefined unless tokens are how services prove themselves. */
  async grpcToken(audience: Caller): Promise<string | undefined> {
    return this.internal.mode === 'token' ? this.#serviceTokens?.issue(this.service, audience) : undefined;
  }
}
