import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';

import {
  Authenticator,
  authorizeGrpc,
  authSettings,
  type Caller,
  internalChannelCredentials,
  internalServerCredentials,
  peerInterceptor,
  type PrincipalContext,
  provesItself,
} from '@callosum/auth';
import { parseSettings } from '@callosum/config';
import { identity, operations } from '@callosum/contracts';
import { grpcServerMiddleware } from '@callosum/telemetry';
import { TestAuthority, type TestCertificate, TestOidc } from '@callosum/testing';
import {
  type CallContext,
  type ChannelOptions,
  createChannel,
  createClientFactory,
  createServer,
  Metadata,
  type Server,
  Status,
} from 'nice-grpc';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

let authority: TestAuthority;
let folder: string;
const closers: (() => Promise<unknown> | void)[] = [];
const denied: string[] = [];

beforeAll(async () => {
  authority = await TestAuthority.create();
  folder = await mkdtemp(join(tmpdir(), 'callosum-grpc-'));
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  denied.length = 0;
});
afterAll(async () => {
  await authority.remove();
  await rm(folder, { recursive: true });
});

type Env = Record<string, string>;
const authenticatorOf = (service: Caller, env: Env): Authenticator =>
  new Authenticator(service, parseSettings(authSettings, env), { certificateRefreshMs: 200 });

/** IdentityService as the runtime serves it; each decision it gives is named after who asks. */
async function serve(env: Env, address = '127.0.0.1:0'): Promise<string> {
  const authenticator = authenticatorOf('identity-mapping', env);
  const server: Server<PrincipalContext> = createServer({ interceptors: [peerInterceptor] } as ChannelOptions)
    .use(grpcServerMiddleware('identity-mapping', { failed: () => undefined, refused: () => undefined }))
    .use(authorizeGrpc(authenticator, address, (code) => void denied.push(code)));
  const answer = (_request: unknown, { principal }: CallContext & PrincipalContext) =>
    Promise.resolve({ decisionId: principal.subject, leaseId: principal.kind });
  const implementation = {
    getDecision: answer,
    acquirePublishLease: answer,
    confirmPublishLease: answer,
    releasePublishLease: answer,
  };
  server.add(identity.IdentityServiceDefinition, implementation as never);
  const list = (_request: unknown, { principal }: CallContext & PrincipalContext) =>
    Promise.resolve({ nextPageToken: principal.subject });
  const parked = { listParked: list, showParked: list, replayParked: list, dropParked: list };
  server.add(operations.ParkedServiceDefinition, parked as never);
  const port = await server.listen(address, internalServerCredentials(authenticator, address));
  closers.push(() => server.forceShutdown());
  return address.startsWith('unix:') ? address.replace('unix:', 'unix://') : `localhost:${port}`;
}

/** Asks as `service`, on a connection of its own. @returns who the server takes it for, or the status */
async function ask(service: Caller, env: Env, address: string, metadata: Record<string, string> = {}): Promise<string> {
  const authenticator = authenticatorOf(service, env);
  const channel = createChannel(address, internalChannelCredentials(authenticator, address));
  const client = createClientFactory()
    .use(provesItself(authenticator, 'identity-mapping', metadata['bearer']))
    .create(identity.IdentityServiceDefinition, channel);
  try {
    const options = { signal: AbortSignal.timeout(5_000), metadata: new Metadata(metadata) };
    return (await client.getDecision({ studyInstanceUid: '1.2' }, options)).decisionId;
  } catch (error) {
    return Status[(error as { code: Status }).code] ?? String(error);
  } finally {
    channel.close();
  }
}

/** As the command line does, with what the pod it runs in has. @returns who the server takes it for, or the status */
async function listParked(env: Env, address: string, bearer?: string): Promise<string> {
  const authenticator = authenticatorOf('cli', env);
  const channel = createChannel(address, internalChannelCredentials(authenticator, address));
  const client = createClientFactory()
    .use(provesItself(authenticator, 'identity-mapping', bearer))
    .create(operations.ParkedServiceDefinition, channel);
  try {
    return (await client.listParked({}, { signal: AbortSignal.timeout(5_000) })).nextPageToken;
  } catch (error) {
    return Status[(error as { code: Status }).code] ?? String(error);
  } finally {
    channel.close();
  }
}

const mtls = ({ certFile, keyFile, caFile }: TestCertificate): Env => ({
  CALLOSUM_AUTH_INTERNAL_GRPC: 'mtls',
  CALLOSUM_AUTH_TLS_CERT_FILE: certFile,
  CALLOSUM_AUTH_TLS_KEY_FILE: keyFile,
  CALLOSUM_AUTH_TLS_CA_FILE: caFile,
});
const certified = async (name: string, san = `URI:spiffe://callosum/${name}`): Promise<Env> =>
  mtls(await authority.issue(name, `DNS:localhost,${san}`));

describe('certificates', () => {
  it('say which service calls, and the table what it may', async () => {
    const address = await serve(await certified('identity-mapping'));
    expect(await ask('result-publisher', await certified('result-publisher'), address)).toBe('result-publisher');
    expect(await ask('dicomweb', await certified('dicomweb'), address)).toBe('PERMISSION_DENIED');
    expect(denied).toEqual(['auth.access-denied']);
  });

  it.each([
    ['another trust domain', 'URI:spiffe://elsewhere/result-publisher'],
    ['no service', 'URI:spiffe://callosum/result-publisher2'],
    ['a name only', 'DNS:result-publisher'],
    ['two services', 'URI:spiffe://callosum/result-publisher,URI:spiffe://callosum/dicomweb'],
  ])('that name %s prove nothing', async (_what, san) => {
    const address = await serve(await certified('identity-mapping'));
    expect(await ask('result-publisher', await certified('odd', san), address)).toBe('UNAUTHENTICATED');
    // What a client says of its own certificate is not believed.
    const claim = { 'callosum-peer-san': 'URI:spiffe://callosum/result-publisher' };
    expect(await ask('result-publisher', await certified('odd', san), address, claim)).toBe('UNAUTHENTICATED');
  });

  it('without any name prove nothing, whatever the client says beside them', async () => {
    const address = await serve(await certified('identity-mapping'));
    const nameless = mtls(await authority.issue('nameless', ''));
    const claim = { 'callosum-peer-san': 'URI:spiffe://callosum/result-publisher' };
    expect(await ask('result-publisher', nameless, address, claim)).toBe('UNAUTHENTICATED');
  });

  it('are needed, and of the site’s own authority', async () => {
    const address = await serve(await certified('identity-mapping'));
    const stranger = await TestAuthority.create();
    closers.push(() => stranger.remove());
    const theirs = await stranger.issue('result-publisher', 'DNS:localhost,URI:spiffe://callosum/result-publisher');
    expect(await ask('result-publisher', mtls({ ...theirs, caFile: authority.caFile }), address)).toBe('UNAVAILABLE');
    expect(await ask('result-publisher', {}, address)).toBe('UNAVAILABLE');
  });

  it('of a server that is somebody else are not taken by clients', async () => {
    const address = await serve(mtls(await authority.issue('identity-mapping', 'DNS:elsewhere.example')));
    expect(await ask('result-publisher', await certified('result-publisher'), address)).toBe('UNAVAILABLE');
  });

  it('of the service itself are the command line in its pod; those of other services are not', async () => {
    const own = await certified('identity-mapping');
    const address = await serve(own);
    expect(await listParked(own, address)).toBe('identity-mapping');
    expect(await listParked(await certified('cli'), address)).toBe('cli');
    expect(await listParked(await certified('result-publisher'), address)).toBe('PERMISSION_DENIED');
    // It opens nothing that is other services' only, and a person's token goes before it.
    expect(await ask('identity-mapping', own, address)).toBe('PERMISSION_DENIED');
    expect(await listParked(own, address, 'not-a-token')).toBe('UNAUTHENTICATED');
  });

  it('that are renewed serve new connections without a restart', async () => {
    const env = await certified('identity-mapping');
    const address = await serve(env);
    const publisher = await certified('result-publisher');
    expect(await ask('result-publisher', publisher, address)).toBe('result-publisher');
    const before = await serverSerial(address, publisher);
    await certified('identity-mapping');
    for (const deadline = Date.now() + 5_000; (await serverSerial(address, publisher)) === before;) {
      if (Date.now() > deadline) throw new Error('the new certificate was not taken up');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(await ask('result-publisher', publisher, address)).toBe('result-publisher');
  });
});

describe('service tokens', () => {
  const keysFile = (): string => join(folder, 'keys.json');
  const env = (): Env => ({ CALLOSUM_AUTH_INTERNAL_GRPC: 'token', CALLOSUM_AUTH_SERVICE_KEYS_FILE: keysFile() });
  const writeKeys = (path = keysFile()): Promise<void> =>
    writeFile(path, JSON.stringify({ keys: [{ kid: 'a', k: randomBytes(32).toString('base64url') }] }));

  it('say which service calls, and the table what it may', async () => {
    await writeKeys();
    const address = await serve(env());
    expect(await ask('result-publisher', env(), address)).toBe('result-publisher');
    expect(await ask('study-index', env(), address)).toBe('PERMISSION_DENIED');
    expect(await ask('result-publisher', {}, address)).toBe('UNAUTHENTICATED');
  });

  it('signed with another key, or for another service, are refused', async () => {
    await writeKeys();
    const address = await serve(env());
    const otherKeys = join(folder, 'other.json');
    await writeKeys(otherKeys);
    const other = { ...env(), CALLOSUM_AUTH_SERVICE_KEYS_FILE: otherKeys };
    expect(await ask('result-publisher', other, address)).toBe('UNAUTHENTICATED');
    const forAnother = (await authenticatorOf('result-publisher', env()).grpcToken('study-index')) ?? '';
    expect(await ask('result-publisher', env(), address, { bearer: forAnother })).toBe('UNAUTHENTICATED');
    expect(denied).toEqual(['auth.bad-signature', 'auth.wrong-audience']);
  });

  it('travel inside TLS where certificates are set', async () => {
    await writeKeys();
    const files = await certified('identity-mapping');
    const address = await serve({ ...files, ...env() });
    expect(await ask('result-publisher', { ...files, ...env() }, address)).toBe('result-publisher');
    expect(await ask('result-publisher', env(), address)).toBe('UNAVAILABLE');
  });

  it('of people pass only where their role may', async () => {
    await writeKeys();
    const audience = 'https://callosum.example/api';
    const oidc = await TestOidc.start({ audience, clients: [{ clientId: 'x', secret: 's', roles: ['operator'] }] });
    closers.push(() => oidc.stop());
    const people = { CALLOSUM_AUTH_OIDC_ISSUER: oidc.issuer, CALLOSUM_AUTH_OIDC_AUDIENCE: audience };
    const address = await serve({ ...env(), ...people });
    expect(await ask('cli', env(), address, { bearer: await oidc.clientToken('x') })).toBe('PERMISSION_DENIED');
    expect(await ask('cli', env(), address, { bearer: await oidc.sign({ exp: 1 }) })).toBe('UNAUTHENTICATED');
  });
});

it('a socket of this machine needs neither', async () => {
  const env = await certified('identity-mapping');
  const address = await serve(env, `unix:${join(folder, 'identity.sock')}`);
  expect(await ask('dicomweb', {}, address)).toBe('local');
});

it('a port without authentication takes anybody, which only loopback allows', async () => {
  expect(await ask('dicomweb', {}, await serve({}))).toBe('local');
});

/** Serial number of the certificate a server shows now. */
async function serverSerial(address: string, env: Env): Promise<string> {
  const [host, port] = address.split(':');
  const [ca, cert, key] = await Promise.all(
    ['CA', 'CERT', 'KEY'].map((name) => readFile(env[`CALLOSUM_AUTH_TLS_${name}_FILE`] ?? '')),
  );
  return new Promise((resolve, reject) => {
    const socket = tlsConnect({ host, port: Number(port), ca, cert, key, ALPNProtocols: ['h2'] }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
