import { isLoopback, SettingsError, wholeNumber } from '@callosum/config';
import { z } from 'zod';

/** Signatures only an issuer can make. HS* is left out on purpose: its verifiers could sign; "none" is no signature. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const;

const list = <T extends string>(item: z.ZodType<T>, what: string, byDefault: readonly T[]) =>
  z
    .string()
    .default(byDefault.join(','))
    .transform((text, context): readonly T[] => {
      const parsed = z
        .array(item)
        .min(1)
        .safeParse(text.split(',').map((one) => one.trim()));
      if (parsed.success) return parsed.data;
      context.addIssue({ code: 'custom', message: `must be a comma-separated list of ${what}` });
      return z.NEVER;
    });

/** Settings of authentication that every service reads. None is set by default: then only loopback may be bound. */
export const authSettings = z.object({
  CALLOSUM_AUTH_OIDC_ISSUER: z
    .url()
    .optional()
    .describe(
      'Issuer of the access tokens HTTP callers must show (OpenID Connect); its discovery document names the keys. HTTP is open, on loopback only, when not set',
    ),
  CALLOSUM_AUTH_OIDC_AUDIENCE: z
    .string()
    .optional()
    .describe('`aud` an access token must hold; required with the issuer'),
  CALLOSUM_AUTH_OIDC_ALGORITHMS: list(z.enum(algorithms), `of ${algorithms.join(', ')}`, [
    'RS256',
    'PS256',
    'ES256',
    'ES384',
    'EdDSA',
  ]).describe('Signature algorithms that are taken'),
  CALLOSUM_AUTH_OIDC_TOKEN_TYPES: list(z.string().min(1), 'token types', ['at+jwt', 'JWT']).describe(
    '`typ` of access tokens that are taken; `at+jwt` alone (RFC 9068) keeps ID tokens out where the issuer sets it',
  ),
  CALLOSUM_AUTH_CLOCK_SKEW_SECONDS: wholeNumber(0, 300)
    .default(180)
    .describe(
      'By how much the clocks of issuer and service may differ, in seconds: so long a token is taken after its end. Between services it is 360, two clocks of 180 each',
    ),
  CALLOSUM_AUTH_ROLES_CLAIM: z
    .string()
    .min(1)
    .default('roles')
    .describe('Claim that holds the roles: a name, or a path with dots (Keycloak: `realm_access.roles`)'),
  CALLOSUM_AUTH_ROLE_PREFIX: z
    .string()
    .default('')
    .describe('What stands before each role in the token, e.g. `callosum-`'),
  CALLOSUM_AUTH_VIEWER_CLIENT_ID: z
    .string()
    .default('callosum-viewer')
    .describe('Public client (authorization code with PKCE) the viewer signs people in with'),
  CALLOSUM_AUTH_VIEWER_SCOPE: z.string().default('openid profile').describe('Scopes the viewer asks for'),
  CALLOSUM_AUTH_CLIENT_ID: z
    .string()
    .optional()
    .describe(
      'Client whose tokens (client credentials) identity-mapping and result-publisher show to the FHIR server; the service key signs them when not set',
    ),
  CALLOSUM_AUTH_CLIENT_SECRET_FILE: z.string().optional().describe('File that holds the secret of that client'),
  CALLOSUM_AUTH_CLIENT_SCOPE: z.string().optional().describe('Scopes that client asks for'),
  CALLOSUM_AUTH_SERVICE_KEYS_FILE: z
    .string()
    .optional()
    .describe(
      'File with the keys services sign tokens for each other with: `{"keys":[{"kid":"…","k":"<32 bytes or more, base64url>"}]}`; the first signs, all verify, read again when it changes',
    ),
  CALLOSUM_AUTH_INTERNAL_GRPC: z
    .enum(['none', 'mtls', 'token'])
    .default('none')
    .describe(
      'How services prove themselves to each other over gRPC: certificates, or tokens signed by the service keys. Unix sockets need neither',
    ),
  CALLOSUM_AUTH_TLS_CERT_FILE: z
    .string()
    .optional()
    .describe(
      "This service's certificate for internal gRPC (PEM), with the URI SAN `spiffe://<trust domain>/<service>`",
    ),
  CALLOSUM_AUTH_TLS_KEY_FILE: z.string().optional().describe('Its private key (PEM)'),
  CALLOSUM_AUTH_TLS_CA_FILE: z.string().optional().describe('The authority that certifies services (PEM)'),
  CALLOSUM_AUTH_TRUST_DOMAIN: z
    .string()
    .regex(/^[a-z0-9.-]{1,255}$/)
    .default('callosum')
    .describe('Trust domain in the certificates of services'),
});
export type AuthSettings = z.output<typeof authSettings>;

/** What tokens of the identity provider must be. */
export interface OidcConfig {
  readonly issuer: string;
  readonly audience: string;
  readonly algorithms: readonly string[];
  /** Lower case, without "application/". */
  readonly tokenTypes: readonly string[];
  readonly clockSkewSeconds: number;
  readonly rolesClaim: string;
  readonly rolePrefix: string;
}

/** HTTP callers show tokens when this is not undefined. @throws {SettingsError} */
export function oidcConfig(settings: AuthSettings): OidcConfig | undefined {
  const { CALLOSUM_AUTH_OIDC_ISSUER: issuer, CALLOSUM_AUTH_OIDC_AUDIENCE: audience } = settings;
  if (issuer === undefined) return undefined;
  if (audience === undefined) throw new SettingsError(['CALLOSUM_AUTH_OIDC_AUDIENCE: is required with an issuer']);
  const { protocol, hostname } = new URL(issuer);
  if (protocol !== 'https:' && !isLoopback(hostname))
    throw new SettingsError(['CALLOSUM_AUTH_OIDC_ISSUER: must be https: whoever answers in its place could sign']);
  return {
    issuer,
    audience,
    algorithms: settings.CALLOSUM_AUTH_OIDC_ALGORITHMS,
    tokenTypes: settings.CALLOSUM_AUTH_OIDC_TOKEN_TYPES.map(normalType),
    clockSkewSeconds: settings.CALLOSUM_AUTH_CLOCK_SKEW_SECONDS,
    rolesClaim: settings.CALLOSUM_AUTH_ROLES_CLAIM,
    rolePrefix: settings.CALLOSUM_AUTH_ROLE_PREFIX,
  };
}

/** RFC 7515 section 4.1.9: "application/" may be left out. */
export const normalType = (type: string): string => type.toLowerCase().replace(/^application\//, '');

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

/** How internal gRPC over TCP is protected. */
export type InternalAuth =
  | { readonly mode: 'none' }
  | { readonly mode: 'mtls'; readonly tls: TlsFiles; readonly trustDomain: string }
  /** `tls` where the files are there: tokens are no encryption. */
  | { readonly mode: 'token'; readonly keysFile: string; readonly tls?: TlsFiles };

/** @throws {SettingsError} when what the mode needs is not set */
export function internalAuth(settings: AuthSettings): InternalAuth {
  const mode = settings.CALLOSUM_AUTH_INTERNAL_GRPC;
  if (mode === 'none') return { mode };
  const tls = tlsFiles(settings, mode === 'mtls');
  if (mode === 'mtls' && tls) return { mode, tls, trustDomain: settings.CALLOSUM_AUTH_TRUST_DOMAIN };
  const keysFile = settings.CALLOSUM_AUTH_SERVICE_KEYS_FILE;
  if (keysFile === undefined)
    throw new SettingsError(['CALLOSUM_AUTH_SERVICE_KEYS_FILE: is required where services show tokens']);
  return { mode: 'token', keysFile, ...(tls ? { tls } : {}) };
}

function tlsFiles(settings: AuthSettings, required: boolean): TlsFiles | undefined {
  const files = {
    CALLOSUM_AUTH_TLS_CERT_FILE: settings.CALLOSUM_AUTH_TLS_CERT_FILE,
    CALLOSUM_AUTH_TLS_KEY_FILE: settings.CALLOSUM_AUTH_TLS_KEY_FILE,
    CALLOSUM_AUTH_TLS_CA_FILE: settings.CALLOSUM_AUTH_TLS_CA_FILE,
  };
  const missing = Object.entries(files).flatMap(([name, file]) => (file === undefined ? [name] : []));
  if (missing.length === 3 && !required) return undefined;
  if (missing.length > 0)
    throw new SettingsError(missing.map((name) => `${name}: is required for TLS between services`));
  return {
    certFile: files.CALLOSUM_AUTH_TLS_CERT_FILE ?? '',
    keyFile: files.CALLOSUM_AUTH_TLS_KEY_FILE ?? '',
    caFile: files.CALLOSUM_AUTH_TLS_CA_FILE ?? '',
  };
}
