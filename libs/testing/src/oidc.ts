import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { generateKeyPair, exportJWK, type JWK, SignJWT } from 'jose';
import Provider, { type Configuration } from 'oidc-provider';

/** A client of the identity provider; public ones sign people in with authorization code and PKCE. */
export interface OidcClientForTests {
  readonly clientId: string;
  /** Absent: a public client. */
  readonly secret?: string;
  readonly redirectUris?: readonly string[];
  /** Of the client itself, in tokens by client credentials. */
  readonly roles?: readonly string[];
}

export interface OidcOptions {
  /** Audience of its access tokens; an absolute URI, since oidc-provider knows audiences as resources (RFC 8707). */
  readonly audience: string;
  readonly clients: readonly OidcClientForTests[];
  /** Roles of people by the name they sign in with. */
  readonly people?: Readonly<Record<string, readonly string[]>>;
  readonly port?: number;
}

/** An identity provider (oidc-provider): discovery, keys, client credentials, and sign-in forms that take any password. */
export class TestOidc {
  private constructor(
    private readonly options: OidcOptions,
    private server: Server,
    readonly port: number,
    /** The private key its tokens are signed with now: for tokens it would never make. */
    readonly key: JWK,
  ) {}

  static async start(options: OidcOptions, key?: JWK): Promise<TestOidc> {
    const signing = key ?? (await newSigningKey());
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const provider = new Provider(`http://127.0.0.1:${port}`, configuration(options, signing));
    const handle = provider.callback();
    server.on('request', (request, response) => void handle(request, response));
    return new TestOidc(options, server, port, signing);
  }

  get issuer(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The same issuer with another key, as after a rotation. */
  async rotated(): Promise<TestOidc> {
    await this.stop();
    return TestOidc.start({ ...this.options, port: this.port });
  }

  /** The same issuer again, as after an outage. */
  async restarted(): Promise<TestOidc> {
    return TestOidc.start({ ...this.options, port: this.port }, this.key);
  }

  /** A token as the provider gives it to a client. */
  async clientToken(clientId: string, resource = this.options.audience): Promise<string> {
    const secret = this.options.clients.find((client) => client.clientId === clientId)?.secret ?? '';
    const response = await fetch(`${this.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource }),
    });
    const answer = (await response.json()) as { access_token?: string };
    if (!answer.access_token) throw new Error(`no token: ${response.status} ${JSON.stringify(answer)}`);
    return answer.access_token;
  }

  /** A token signed with the provider's key over any header and claims. */
  sign(claims: Record<string, unknown>, header: Record<string, unknown> = {}): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT({
      iss: this.issuer,
      aud: this.options.audience,
      sub: 'someone',
      iat: now,
      exp: now + 300,
      ...claims,
    })
      .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid: this.key.kid ?? '', ...header })
      .sign(this.key);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** A key an issuer signs with. */
export async function newSigningKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  return { ...(await exportJWK(privateKey)), kid: crypto.randomUUID(), use: 'sig', alg: 'RS256' };
}

function configuration({ audience, clients, people = {} }: OidcOptions, key: JWK): Configuration {
  const rolesOf = new Map(clients.map(({ clientId, roles = [] }) => [clientId, roles]));
  return {
    jwks: { keys: [key] as NonNullable<Configuration['jwks']>['keys'] },
    clients: clients.map(({ clientId, secret, redirectUris = [] }) => ({
      client_id: clientId,
      ...(secret === undefined
        ? { token_endpoint_auth_method: 'none' as const, grant_types: ['authorization_code', 'refresh_token'] }
        : { client_secret: secret, grant_types: ['client_credentials'], response_types: [] }),
      redirect_uris: [...redirectUris],
      // The native type lets a redirect go to http on loopback.
      ...(redirectUris.length > 0 ? { application_type: 'native' as const, response_types: ['code' as const] } : {}),
    })),
    cookies: { keys: ['a key for tests'] },
    clientBasedCORS: () => true,
    findAccount: (_context, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    extraTokenClaims: (_context, token) => {
      const roles = token.kind === 'AccessToken' ? people[token.accountId] : rolesOf.get(token.clientId ?? '');
      return { roles: roles ?? [] };
    },
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context, resource) => ({
          scope: 'openid profile',
          audience: resource,
          accessTokenTTL: 300,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  };
}
