import {
  Authenticator,
  authorizeGrpc,
  authSettings,
  callers,
  internalChannelCredentials,
  internalServerCredentials,
  methods,
  peerInterceptor,
  type PrincipalContext,
} from '@callosum/auth';
import { parseSettings } from '@callosum/config';
import { identity, imaging, operations, type serviceNames, worker } from '@callosum/contracts';
import { grpcServerMiddleware } from '@callosum/telemetry';
import { TestAuthority } from '@callosum/testing';
import { Client, status } from '@grpc/grpc-js';
import { type ChannelOptions, type CompatServiceDefinition, createServer } from 'nice-grpc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

type ServiceName = (typeof serviceNames)[number];

/** What each service answers between services: parked work and the status of studies everywhere, and its own. */
const shared = [operations.ParkedServiceDefinition, operations.StudyStatusServiceDefinition];
const own: Readonly<Partial<Record<ServiceName, CompatServiceDefinition>>> = {
  'study-index': imaging.StudyIndexServiceDefinition,
  'identity-mapping': identity.IdentityServiceDefinition,
  'inference-orchestrator': worker.WorkerCredentialServiceDefinition,
};
const services = callers.filter((name): name is ServiceName => name !== 'cli');

/** The commands of `callosum`, and what each of them calls. A command that needs more changes this, and somebody looks. */
const commands = {
  trace: ['StudyStatusService/GetStudyStatus'],
  parked: ['ListParked', 'ShowParked', 'ReplayParked', 'DropParked'].map((name) => `ParkedService/${name}`),
  reindex: ['StudyIndexService/Reindex'],
  workers: ['IssueCredential', 'ListCredentials', 'RevokeCredential'].map((name) => `WorkerCredentialService/${name}`),
};

describe('the certificate of the command line', () => {
  let authority: TestAuthority;
  const stops: (() => void)[] = [];
  const addresses = new Map<ServiceName, string>();
  beforeAll(async () => {
    authority = await TestAuthority.create();
    for (const service of services) addresses.set(service, await serve(service));
  });
  afterAll(async () => {
    for (const stop of stops) stop();
    await authority.remove();
  });

  async function authenticatorOf(name: (typeof callers)[number]): Promise<Authenticator> {
    // As cert-manager makes it for the chart: of the command line no DNS name, for nobody calls it.
    const san = name === 'cli' ? 'URI:spiffe://callosum/cli' : `DNS:localhost,URI:spiffe://callosum/${name}`;
    const { certFile, keyFile, caFile } = await authority.issue(name, san);
    const env = {
      CALLOSUM_AUTH_INTERNAL_GRPC: 'mtls',
      CALLOSUM_AUTH_TLS_CERT_FILE: certFile,
      CALLOSUM_AUTH_TLS_KEY_FILE: keyFile,
      CALLOSUM_AUTH_TLS_CA_FILE: caFile,
    };
    return new Authenticator(name, parseSettings(authSettings, env));
  }

  /** As the runtime serves it; whatever a caller may ask, the handler is not what is asked here. */
  async function serve(service: ServiceName): Promise<string> {
    const authenticator = await authenticatorOf(service);
    const bind = '127.0.0.1:0';
    const server = createServer({ interceptors: [peerInterceptor] } as ChannelOptions)
      .use(grpcServerMiddleware(service, { failed: () => undefined, refused: () => undefined }))
      .use<PrincipalContext>(authorizeGrpc(authenticator, bind, () => undefined));
    const definition = own[service];
    for (const one of definition ? [...shared, definition] : shared) {
      const known = Object.entries(one.methods as Record<string, { responseStream: boolean }>);
      const handlers = known.map(([name, { responseStream }]) => [
        name,
        responseStream ? async function* () {} : () => Promise.resolve({}),
      ]);
      server.add(one, Object.fromEntries(handlers) as never);
    }
    const port = await server.listen(bind, internalServerCredentials(authenticator, bind));
    stops.push(() => void server.forceShutdown());
    return `localhost:${port}`;
  }

  /** Whether a service lets this caller in, by what it answers to an empty request. */
  async function mayCall(caller: (typeof callers)[number], service: ServiceName, path: string): Promise<boolean> {
    const address = addresses.get(service) ?? '';
    const client = new Client(address, internalChannelCredentials(await authenticatorOf(caller), address));
    const plain = (bytes: Buffer): Buffer => bytes;
    const code = await new Promise<number>((resolve) => {
      const call = client.makeServerStreamRequest(path, plain, plain, Buffer.alloc(0), {
        deadline: Date.now() + 10_000,
      });
      call.on('data', () => undefined).on('error', () => undefined);
      call.on('status', (end) => resolve(end.code));
    });
    client.close();
    expect([status.UNAUTHENTICATED, status.UNAVAILABLE, status.DEADLINE_EXCEEDED], `${service} ${path}`).not.toContain(
      code,
    );
    return code !== status.PERMISSION_DENIED;
  }

  it.each(services)('opens at %s what its commands call, and nothing else', async (service) => {
    const offered = Object.keys(methods).filter((path) => {
      const [, name = ''] = /\.(\w+)\//.exec(path) ?? [];
      return [...shared, own[service]].some((one) => one && String(one.fullName).endsWith(`.${name}`));
    });
    const opened: string[] = [];
    for (const path of offered) if (await mayCall('cli', service, path)) opened.push(path.replace(/^.*\./, ''));
    const wanted = Object.values(commands)
      .flat()
      .filter((name) => offered.some((path) => path.endsWith(`.${name}`)));
    expect(opened.sort()).toEqual(wanted.sort());
    expect(opened.length).toBeGreaterThanOrEqual(5);
  });

  it('is the only one that opens them from another pod', async () => {
    const path = `/${operations.StudyStatusServiceDefinition.fullName}/GetStudyStatus`;
    for (const caller of services.filter((name) => name !== 'study-index'))
      expect(await mayCall(caller, 'study-index', path), caller).toBe(false);
  });
});
