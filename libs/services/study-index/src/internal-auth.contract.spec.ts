import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Authenticator, authSettings, type Caller, provesItself } from '@callosum/auth';
import { parseSettings, SettingsError, UnauthenticatedBindError } from '@callosum/config';
import { imaging } from '@callosum/contracts';
import type { DatabaseConfig } from '@callosum/database';
import { createPeerClients, preparePlatform, type RunningService, startService } from '@callosum/runtime';
import { startPostgres, TestAuthority, TestOidc, type TestPostgres } from '@callosum/testing';
import { createChannel, createClientFactory, Status } from 'nice-grpc';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';

import { studyIndex } from './index.js';

let postgres: TestPostgres;
let config: DatabaseConfig;
let authority: TestAuthority;
let folder: string;
let service: RunningService | undefined;

beforeAll(async () => {
  [postgres, authority, folder] = await Promise.all([
    startPostgres(),
    TestAuthority.create(),
    mkdtemp(join(tmpdir(), 'callosum-internal-')),
  ]);
  config = await postgres.createDatabase();
  await preparePlatform({
    admin: config,
    definitions: [studyIndex],
    passwordOf: () => 'secret',
    eventLogInPostgres: true,
  });
});
afterEach(async () => {
  await service?.close();
  service = undefined;
});
afterAll(async () => {
  await postgres?.stop();
  await authority?.remove();
  await rm(folder, { recursive: true });
});

type Env = Record<string, string>;

async function start(env: Env): Promise<string> {
  service = await startService(studyIndex, {
    CALLOSUM_DATABASE_HOST: config.host,
    CALLOSUM_DATABASE_PORT: String(config.port),
    CALLOSUM_DATABASE_NAME: config.database,
    CALLOSUM_DATABASE_PASSWORD: 'secret',
    CALLOSUM_OBJECT_STORE_DIR: folder,
    CALLOSUM_INTERNAL_GRPC: '0.0.0.0:0',
    CALLOSUM_LOG_LEVEL: 'fatal',
    ...env,
  });
  return `localhost:${service.grpcAddress?.split(':')[1]}`;
}

/** Asks for a study nobody has, with the clients a service is given. @returns the status */
async function ask(caller: Caller, env: Env, address: string): Promise<string | undefined> {
  const authenticator = new Authenticator(caller, parseSettings(authSettings, env));
  const peers = createPeerClients(caller, { studyIndex: address, identity: address }, authenticator);
  const code = await peers.studyIndex.getStudy({ studyInstanceUid: '1.2.3' }, { deadline: 10_000 }).then(
    () => Status.OK,
    (error: { code: Status }) => error.code,
  );
  peers.close();
  return Status[code];
}

const certificates = async (name: string): Promise<Env> => {
  const { certFile, keyFile, caFile } = await authority.issue(name, `DNS:localhost,URI:spiffe://callosum/${name}`);
  return {
    CALLOSUM_AUTH_INTERNAL_GRPC: 'mtls',
    CALLOSUM_AUTH_TLS_CERT_FILE: certFile,
    CALLOSUM_AUTH_TLS_KEY_FILE: keyFile,
    CALLOSUM_AUTH_TLS_CA_FILE: caFile,
  };
};

it('answers services on another address than loopback once they prove themselves by certificates', async () => {
  const address = await start(await certificates('study-index'));
  expect(await ask('result-publisher', await certificates('result-publisher'), address)).toBe('NOT_FOUND');
  expect(await ask('identity-mapping', await certificates('identity-mapping'), address)).toBe('PERMISSION_DENIED');
  expect(await ask('result-publisher', {}, address)).toBe('UNAVAILABLE');
});

it('answers them once they prove themselves by tokens', async () => {
  const keysFile = join(folder, 'keys.json');
  await writeFile(keysFile, JSON.stringify({ keys: [{ kid: 'a', k: randomBytes(32).toString('base64url') }] }));
  const tokens = { CALLOSUM_AUTH_INTERNAL_GRPC: 'token', CALLOSUM_AUTH_SERVICE_KEYS_FILE: keysFile };
  const address = await start(tokens);
  expect(await ask('inference-orchestrator', tokens, address)).toBe('NOT_FOUND');
  expect(await ask('fhir-gateway', tokens, address)).toBe('PERMISSION_DENIED');
  expect(await ask('inference-orchestrator', {}, address)).toBe('UNAUTHENTICATED');
});

it('takes the token of a person whose role may, and of nobody else', async () => {
  const audience = 'https://callosum.example/api';
  const oidc = await TestOidc.start({
    audience,
    clients: [
      { clientId: 'operator', secret: 'a', roles: ['operator'] },
      { clientId: 'reader', secret: 'b', roles: ['dicom-reader'] },
    ],
  });
  const keysFile = join(folder, 'keys.json');
  const tokens = {
    CALLOSUM_AUTH_INTERNAL_GRPC: 'token',
    CALLOSUM_AUTH_SERVICE_KEYS_FILE: keysFile,
    CALLOSUM_AUTH_OIDC_ISSUER: oidc.issuer,
    CALLOSUM_AUTH_OIDC_AUDIENCE: audience,
  };
  const address = await start(tokens);
  const reindex = async (client: string): Promise<string | undefined> => {
    const cli = new Authenticator('cli', parseSettings(authSettings, {}));
    const channel = createChannel(address);
    const asked = createClientFactory()
      .use(provesItself(cli, 'study-index', await oidc.clientToken(client)))
      .create(imaging.StudyIndexServiceDefinition, channel)
      .reindex({}, { signal: AbortSignal.timeout(10_000) });
    try {
      let instances = 0n;
      for await (const { instancesDone } of asked) instances = instancesDone;
      return `${instances} instances`;
    } catch (error) {
      return Status[(error as { code: Status }).code];
    } finally {
      channel.close();
    }
  };
  expect(await reindex('operator')).toBe('0 instances');
  expect(await reindex('reader')).toBe('PERMISSION_DENIED');
  await oidc.stop();
});

it('does not start there without, nor with half of what is needed', async () => {
  await expect(start({})).rejects.toBeInstanceOf(UnauthenticatedBindError);
  await expect(start({ CALLOSUM_AUTH_INTERNAL_GRPC: 'mtls' })).rejects.toBeInstanceOf(SettingsError);
});
