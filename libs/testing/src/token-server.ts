import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TestTokenServer {
  readonly issuer: string;
  /** OAuth 2.0 token endpoint: client credentials (RFC 6749 section 4.4) with HTTP Basic. */
  readonly tokenUrl: string;
  readonly jwksUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Tokens given out so far. */
  issued(): number;
  /** Of the tokens it gives from now on; negative ones are out of date when given. */
  lifetime(seconds: number): void;
  /** Of the tokens it gives from now on. */
  audience(name: string): void;
  stop(): Promise<void>;
}

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** An issuer of signed access tokens for one test: RS256, keys at a JWKS endpoint (RFC 7517). */
export async function startTokenServer(): Promise<TestTokenServer> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'test', use: 'sig', alg: 'RS256' };
  const client = { clientId: 'callosum', clientSecret: 'a secret: with % signs' };
  let issued = 0;
  let lifetimeSeconds = 300;
  let audience = 'kafka';
  const token = (scope: string | null): string => {
    const now = Math.floor(Date.now() / 1000);
    // A lifetime below zero: issued and ended in the past.
    const iat = lifetimeSeconds < 0 ? now + lifetimeSeconds * 2 : now;
    const payload = { iss: issuer, sub: client.clientId, aud: audience, scope, iat, exp: now + lifetimeSeconds };
    const text = `${base64url({ alg: 'RS256', kid: 'test', typ: 'JWT' })}.${base64url(payload)}`;
    return `${text}.${sign('RSA-SHA256', Buffer.from(text), privateKey).toString('base64url')}`;
  };
  const server = createServer((request, response) => {
    const json = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    if (request.url === '/jwks') return json(200, { keys: [jwk] });
    if (request.url !== '/token' || request.method !== 'POST') return json(404, {});
    void form(request).then((body) => {
      if (!authorised(request, client)) return json(401, { error: 'invalid_client' });
      if (body.get('grant_type') !== 'client_credentials') return json(400, { error: 'unsupported_grant_type' });
      issued++;
      json(200, { access_token: token(body.get('scope')), token_type: 'Bearer', expires_in: lifetimeSeconds });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    issuer,
    tokenUrl: `${issuer}/token`,
    jwksUrl: `${issuer}/jwks`,
    ...client,
    issued: () => issued,
    lifetime: (seconds) => (lifetimeSeconds = seconds),
    audience: (name) => (audience = name),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function form(request: IncomingMessage): Promise<URLSearchParams> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return new URLSearchParams(text);
}

/** RFC 6749 section 2.3.1: both parts are form-encoded before they are joined. */
function authorised(request: IncomingMessage, client: { clientId: string; clientSecret: string }): boolean {
  const [scheme, value = ''] = (request.headers.authorization ?? '').split(' ');
  const [id = '', secret = ''] = Buffer.from(value, 'base64').toString('utf8').split(':');
  const decode = (part: string): string => new URLSearchParams(`v=${part}`).get('v') ?? '';
  return scheme === 'Basic' && decode(id) === client.clientId && decode(secret) === client.clientSecret;
}
