import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Authenticator, authSettings, type KeyTimes, principalOf } from '@callosum/auth';
import { parseSettings } from '@callosum/config';
import { createLogger } from '@callosum/telemetry';
import { newSigningKey, TestOidc } from '@callosum/testing';
import Fastify, { type FastifyInstance } from 'fastify';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { guardHttp } from './http-auth.js';

const audience = 'https://callosum.example/api';
const clients = [
  { clientId: 'reader', secret: 'reader-secret', roles: ['dicom-reader', 'fhir-reader', 'unknown-role'] },
  { clientId: 'writer', secret: 'writer-secret', roles: ['dicom-writer', 'fhir-writer'] },
  { clientId: 'boss', secret: 'boss-secret', roles: ['admin'] },
  { clientId: 'nobody', secret: 'nobody-secret' },
];
/** No cool-down: a test rotates keys faster than anybody else. */
const quick: KeyTimes = { maxAgeMs: 600_000, staleMs: 3_600_000, coolDownMs: 0, retryMs: 0 };

let oidc: TestOidc;
let folder: string;
let fastify: FastifyInstance;
const lines: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callosum-auth-'));
  oidc = await TestOidc.start({ audience, clients });
  await writeKeys('one');
  fastify = serve('fhir-gateway', quick);
});
afterAll(async () => {
  await fastify.close();
  await oidc.stop();
  await rm(folder, { recursive: true });
});

const keysFile = (): string => join(folder, 'keys.json');
const writeKeys = (...kids: string[]): Promise<void> =>
  writeFile(
    keysFile(),
    JSON.stringify({ keys: kids.map((kid) => ({ kid, k: randomBytes(32).toString('base64url') })) }),
  );

const environment = (changes: Record<string, string> = {}): Record<string, string> => ({
  CALLOSUM_AUTH_OIDC_ISSUER: oidc.issuer,
  CALLOSUM_AUTH_OIDC_AUDIENCE: audience,
  CALLOSUM_AUTH_SERVICE_KEYS_FILE: keysFile(),
  ...changes,
});
const authenticator = (
  service: 'fhir-gateway' | 'result-publisher' | 'dimse-ingest' | 'study-index',
  changes = {},
  keyTimes = quick,
) => new Authenticator(service, parseSettings(authSettings, environment(changes)), { keyTimes });

/** The guard as services have it, over the templates of real routes; each answers who it thinks calls. */
function serve(service: 'fhir-gateway', keyTimes: KeyTimes, changes: Record<string, string> = {}): FastifyInstance {
  const logger = createLogger(service, 'debug', { write: (line: string) => void lines.push(line) });
  const server = Fastify();
  guardHttp(server, service, authenticator(service, changes, keyTimes), logger);
  const who = (request: { raw: Parameters<typeof principalOf>[0] }) => {
    const { kind, subject, roles } = principalOf(request.raw);
    return { kind, subject, roles: [...roles] };
  };
  server.route({ method: ['GET', 'POST'], url: '/dicom-web/studies', handler: who });
  server.route({ method: ['GET', 'POST', 'PUT'], url: '/fhir/*', handler: who });
  server.get('/api/identity/quarantine', who);
  server.get('/viewer/*', who);
  server.get('/api/forgotten', who);
  return server;
}

const ask = (
  token: string | undefined,
  url = '/dicom-web/studies',
  method: 'GET' | 'POST' | 'PUT' = 'GET',
  from = fastify,
) => from.inject({ method, url, ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }) });

describe('a request with a token of the identity provider', () => {
  it('passes where its roles say so, as the one who sent it', async () => {
    const answer = await ask(await oidc.clientToken('reader'));
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual({ kind: 'bearer', subject: 'reader', roles: ['dicom-reader', 'fhir-reader'] });
    expect((await ask(await oidc.clientToken('writer'), '/dicom-web/studies', 'POST')).statusCode).toBe(200);
    expect((await ask(await oidc.clientToken('boss'), '/api/identity/quarantine')).statusCode).toBe(200);
  });

  it.each([
    ['/dicom-web/studies', 'POST', 'dicom-writer'],
    ['/fhir/Patient', 'POST', 'fhir-writer'],
    ['/api/identity/quarantine', 'GET', 'identity-desk'],
  ] as const)('is refused at %s %s without the role, which is named (RFC 6750)', async (url, method, role) => {
    const answer = await ask(await oidc.clientToken('reader'), url, method);
    expect(answer.statusCode).toBe(403);
    expect(answer.headers['www-authenticate']).toBe(
      `Bearer realm="callosum", error="insufficient_scope", scope="${role}"`,
    );
    expect((await ask(await oidc.clientToken('nobody'), url, method)).statusCode).toBe(403);
  });

  it('is refused at a route that is not in the table, whoever asks', async () => {
    expect((await ask(await oidc.clientToken('boss'), '/api/forgotten')).statusCode).toBe(403);
  });

  it('finds nothing where nothing is', async () => {
    expect((await ask(await oidc.clientToken('nobody'), '/api/nothing')).statusCode).toBe(404);
    expect((await ask(undefined, '/api/nothing')).statusCode).toBe(401);
  });

  it('takes roles from the claim and prefix a site sets', async () => {
    const own = serve('fhir-gateway', quick, {
      CALLOSUM_AUTH_ROLES_CLAIM: 'realm_access.roles',
      CALLOSUM_AUTH_ROLE_PREFIX: 'callosum-',
    });
    const token = (roles: unknown) => oidc.sign({ realm_access: { roles } });
    expect((await ask(await token(['callosum-dicom-reader']), undefined, 'GET', own)).statusCode).toBe(200);
    expect((await ask(await token('callosum-dicom-reader other'), undefined, 'GET', own)).statusCode).toBe(200);
    for (const roles of [['dicom-reader'], ['callosum-toString'], { 0: 'callosum-dicom-reader' }, undefined, [7]])
      expect((await ask(await token(roles), undefined, 'GET', own)).statusCode, JSON.stringify(roles)).toBe(403);
    await own.close();
  });
});

describe('a request without a good token', () => {
  const reader = { roles: ['dicom-reader'] };
  const now = Math.floor(Date.now() / 1000);
  const b64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const bad: Record<string, () => Promise<string>> = {
    'auth.token-expired': () => oidc.sign({ ...reader, exp: now - 600 }),
    'auth.token-not-yet-valid': () => oidc.sign({ ...reader, nbf: now + 600 }),
    'auth.wrong-audience': () => oidc.sign({ ...reader, aud: 'https://other.example' }),
    'auth.wrong-issuer': () => oidc.sign({ ...reader, iss: 'https://other.example' }),
    'auth.wrong-type': () => oidc.sign(reader, { typ: 'logout+jwt' }),
    'auth.unknown-key': async () => {
      const key = await newSigningKey();
      return new SignJWT({ ...reader, sub: 'x' })
        .setProtectedHeader({ alg: 'RS256', kid: key.kid ?? '' })
        .setIssuer(oidc.issuer)
        .setAudience(audience)
        .setExpirationTime('5m')
        .sign(key);
    },
    'auth.bad-signature': async () => {
      const [head, body, signature = ''] = (await oidc.sign(reader)).split('.');
      return `${head}.${body}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
    },
    'auth.wrong-algorithm': () =>
      Promise.resolve(
        `${b64({ alg: 'none' })}.${b64({ iss: oidc.issuer, aud: audience, sub: 'x', exp: now + 300, ...reader })}.`,
      ),
    'auth.malformed-credentials': () => Promise.resolve('two words'),
    'auth.invalid-token': () => Promise.resolve('no-token-at-all'),
  };

  it.each(Object.entries(bad))('is answered 401 with %s', async (code, make) => {
    const answer = await ask(await make(), '/api/identity/quarantine');
    expect(answer.statusCode).toBe(401);
    expect(answer.json()).toMatchObject({ status: 401, title: code });
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer realm="callosum", error="invalid_token"/);
  });

  it('whose key is a public one used as a secret is refused (RFC 8725 section 2.1)', async () => {
    const { keys } = (await (await fetch(`${oidc.issuer}/jwks`)).json()) as { keys: { n: string; kid: string }[] };
    const token = await new SignJWT({ ...reader, sub: 'x' })
      .setProtectedHeader({ alg: 'HS256', kid: keys[0]?.kid ?? '' })
      .setIssuer(oidc.issuer)
      .setAudience(audience)
      .setExpirationTime('5m')
      .sign(Buffer.from(keys[0]?.n ?? '', 'base64url'));
    expect((await ask(token, '/api/identity/quarantine')).json()).toMatchObject({ title: 'auth.wrong-algorithm' });
  });

  it('lacks an end or a subject: refused', async () => {
    for (const claims of [{ exp: undefined }, { sub: undefined }])
      expect((await ask(await oidc.sign({ ...reader, ...claims }))).statusCode).toBe(401);
  });

  it('and none at all gets a bare challenge, in the form of the API it asked', async () => {
    const web = await ask(undefined);
    expect([web.statusCode, web.headers['www-authenticate']]).toEqual([401, 'Bearer realm="callosum"']);
    expect(web.headers['content-type']).toMatch(/^text\/plain/);
    const fhir = await ask(undefined, '/fhir/Patient?name=Secretname');
    expect(fhir.statusCode).toBe(401);
    expect(fhir.headers['content-type']).toMatch(/^application\/fhir\+json/);
    expect(fhir.json()).toMatchObject({
      resourceType: 'OperationOutcome',
      issue: [{ severity: 'error', code: 'login' }],
    });
    const forbidden = await ask(await oidc.clientToken('writer'), '/fhir/Patient');
    expect(forbidden.json()).toMatchObject({ resourceType: 'OperationOutcome', issue: [{ code: 'forbidden' }] });
    expect((await ask(undefined, '/api/identity/quarantine')).headers['content-type']).toMatch(
      /^application\/problem\+json/,
    );
  });

  it('that comes with a body gets its answer too, unless the body has no end', async () => {
    const base = await fastify.listen({ port: 0, host: '127.0.0.1' });
    const post = (bytes: number) =>
      fetch(`${base}/dicom-web/studies`, {
        method: 'POST',
        headers: { 'content-type': 'application/dicom' },
        body: new Uint8Array(bytes),
      });
    expect((await post(8 * 1024 * 1024)).status).toBe(401);
    const chunk = new Uint8Array(1024 * 1024);
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({ pull: (to) => (sent++, to.enqueue(chunk)) });
    await fetch(`${base}/dicom-web/studies`, {
      method: 'POST',
      headers: { 'content-type': 'application/dicom' },
      body: endless,
      duplex: 'half',
    } as RequestInit).then(
      (answer) => expect(answer.status).toBe(401),
      () => undefined,
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    const then = sent;
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(sent).toBe(then);
  });

  it('is a little late by clocks that differ: taken', async () => {
    expect((await ask(await oidc.sign({ ...reader, exp: now - 5, nbf: now + 5 }))).statusCode).toBe(200);
  });

  it('reaches what is public, and nothing beside it', async () => {
    expect((await ask(undefined, '/viewer/app-config.js')).json()).toMatchObject({ kind: 'anonymous' });
    expect((await ask(undefined, '/fhir/metadata')).statusCode).toBe(200);
    expect((await ask(undefined, '/fhir/Patient')).statusCode).toBe(401);
  });

  it('is logged by route and code, without the token and what the path says', async () => {
    const token = await oidc.clientToken('writer');
    await ask(token, '/fhir/Patient?name=Secretname');
    const log = lines.join('');
    expect(log).toContain('"route":"/fhir/*"');
    expect(log).not.toContain('Secretname');
    expect(log).not.toContain(token.split('.')[2]);
  });
});

describe('an identity provider', () => {
  it('that rotates its keys is followed at the first token of the new one; the old is refused', async () => {
    const old = await oidc.clientToken('reader');
    expect((await ask(old)).statusCode).toBe(200);
    oidc = await oidc.rotated();
    expect((await ask(await oidc.clientToken('reader'))).statusCode).toBe(200);
    expect((await ask(old)).statusCode).toBe(401);
  });

  it('is not asked again and again for keys that somebody invents', async () => {
    const calm = serve('fhir-gateway', { ...quick, coolDownMs: 60_000 });
    await ask(await oidc.clientToken('reader'), undefined, 'GET', calm);
    let asked = 0;
    const count = (): void => void asked++;
    const server = (oidc as unknown as { server: { on(event: 'request', listener: () => void): void } }).server;
    server.on('request', count);
    for (let i = 0; i < 20; i++) await ask(await oidc.sign({}, { kid: `invented-${i}` }), undefined, 'GET', calm);
    expect(asked).toBe(0);
    await calm.close();
  });

  it('that is away at the start: 503 until it is there, and no restart', async () => {
    const token = await oidc.clientToken('reader');
    await oidc.stop();
    const late = serve('fhir-gateway', quick);
    const answer = await ask(token, '/fhir/Patient', 'GET', late);
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '5']);
    expect(answer.json()).toMatchObject({ resourceType: 'OperationOutcome', issue: [{ code: 'transient' }] });
    oidc = await oidc.restarted();
    expect((await ask(token, '/fhir/Patient', 'GET', late)).statusCode).toBe(200);
    await late.close();
  });

  it('that goes away later: known keys go on for a while, and then no longer', async () => {
    const patient = serve('fhir-gateway', { maxAgeMs: 0, staleMs: 600_000, coolDownMs: 0, retryMs: 0 });
    const strict = serve('fhir-gateway', { maxAgeMs: 0, staleMs: 0, coolDownMs: 0, retryMs: 0 });
    const token = await oidc.clientToken('reader');
    for (const server of [patient, strict]) expect((await ask(token, undefined, 'GET', server)).statusCode).toBe(200);
    await oidc.stop();
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect((await ask(token, undefined, 'GET', patient)).statusCode).toBe(200);
    expect((await ask(token, undefined, 'GET', strict)).statusCode).toBe(503);
    oidc = await oidc.restarted();
    await Promise.all([patient.close(), strict.close()]);
  });

  it('that speaks for another issuer is not believed', async () => {
    const other = serve('fhir-gateway', quick, { CALLOSUM_AUTH_OIDC_ISSUER: `http://localhost:${oidc.port}` });
    expect((await ask(await oidc.clientToken('reader'), undefined, 'GET', other)).statusCode).toBe(503);
    await other.close();
  });
});

describe('a service', () => {
  it('shows another service a token it signed, and may what services may', async () => {
    const token = (await authenticator('result-publisher').fhirToken?.()) ?? '';
    expect((await ask(token, '/fhir/Patient', 'POST')).json()).toMatchObject({
      kind: 'service',
      subject: 'result-publisher',
    });
    expect((await ask(token, '/api/identity/quarantine')).statusCode).toBe(403);
    const reader = (await authenticator('dimse-ingest').fhirToken?.()) ?? '';
    expect((await ask(reader, '/fhir/ServiceRequest')).statusCode).toBe(200);
    expect((await ask(reader, '/fhir/Patient', 'POST')).statusCode).toBe(403);
    const other = (await authenticator('study-index').fhirToken?.()) ?? '';
    expect((await ask(other, '/fhir/Patient')).statusCode).toBe(403);
  });

  it('whose key was exchanged at once is refused with the old one, and taken with the new', async () => {
    const token = (await authenticator('result-publisher').fhirToken?.()) ?? '';
    await writeKeys('two');
    const after = serve('fhir-gateway', quick);
    expect((await ask(token, '/fhir/Patient', 'GET', after)).statusCode).toBe(401);
    const fresh = (await authenticator('result-publisher').fhirToken?.()) ?? '';
    expect((await ask(fresh, '/fhir/Patient', 'GET', after)).statusCode).toBe(200);
    await after.close();
  });

  it('with a client of its own shows that one’s token instead, and none a stranger could use here', async () => {
    const secretFile = join(folder, 'secret');
    await writeFile(secretFile, 'writer-secret\n');
    const client = authenticator('result-publisher', {
      CALLOSUM_AUTH_CLIENT_ID: 'writer',
      CALLOSUM_AUTH_CLIENT_SECRET_FILE: secretFile,
    });
    const token = (await client.fhirToken?.()) ?? '';
    expect((await ask(token, '/fhir/Patient', 'POST')).json()).toMatchObject({ kind: 'bearer', subject: 'writer' });
    expect(await client.fhirToken?.()).toBe(token);
  });
});
