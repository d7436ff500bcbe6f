import { readFile } from 'node:fs/promises';

import { parseSettings, UnauthenticatedBindError } from '@callosum/config';
import { topics, worker as protocol } from '@callosum/contracts';
import type { RunningService } from '@callosum/runtime';
import { TestAuthority } from '@callosum/testing';
import {
  CredentialRefusedError,
  InsecureTargetError,
  RegistrationRefusedError,
  type RunningWorker,
  runWorker,
  type WorkerLogger,
} from '@callosum/worker-sdk';
import { ChannelCredentials } from '@grpc/grpc-js';
import { createChannel, createClient, Status } from 'nice-grpc';
import { sql } from 'kysely';
import { afterEach, describe, expect, it } from 'vitest';

import { assertWorkerBind, orchestratorSettings } from './settings.js';
import { fresh, simpleResult } from './test-support/fixtures.js';
import { addressOf, until } from './test-support/orchestrator.js';
import { connect, orchestrator, useOrchestrator } from './test-support/use-orchestrator.js';
import { manifest } from './test-support/worker.js';

const streamsOfVendorMax = 5;
const required = {
  CALLOSUM_AUTH_WORKERS: 'credential',
  CALLOSUM_WORKER_STREAMS_OF_VENDOR_MAX: String(streamsOfVendorMax),
};
const closers: (() => Promise<unknown> | void)[] = [];

useOrchestrator(required);
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** The service that issues credentials, on the internal port as the command line tool asks it. */
function credentials(service: RunningService = orchestrator.service) {
  const channel = createChannel(service.grpcAddress ?? '');
  closers.push(() => channel.close());
  return createClient(protocol.WorkerCredentialServiceDefinition, channel);
}
const issue = (vendor: string, expiresAt?: string) =>
  credentials().issueCredential({ vendor, label: 'spec', expiresAt });

const ofVendor = (vendor: string, manifest: protocol.Manifest): protocol.Manifest => ({
  ...manifest,
  model: manifest.model && { ...manifest.model, vendor },
});
const refused = { code: 16, details: expect.stringContaining('inference.credential-refused') as string };

describe('a worker', () => {
  it('with a credential of its vendor registers, and does its job to the end', async () => {
    const { token } = await issue('Phantoms');
    const { model, bytes } = fresh('credential');
    const worker = connect({ token });
    worker.register(model);
    await worker.take('registered');
    const study = await orchestrator.complete(bytes);
    const offer = await worker.takeOffer();
    expect((await worker.readVolume(offer)).header.slices).toBe(bytes.length);
    worker.send({ $case: 'complete', value: { ...offer, result: simpleResult } });
    await worker.take('accepted');
    await orchestrator.untilEvents(topics.jobCompleted, study);
  });

  it.each([
    ['none', () => undefined],
    ['no token of ours', () => 'let-me-in'],
    ['an unknown credential', () => `cwc_${'0'.repeat(32)}_${'A'.repeat(43)}`],
    [
      'a wrong secret',
      async () => {
        const { token } = await issue('Phantoms');
        return `${token.slice(0, -43)}${'A'.repeat(43)}`;
      },
    ],
    [
      'a revoked one',
      async () => {
        const { token, credentialId } = await issue('Phantoms');
        await credentials().revokeCredential({ credentialId });
        return token;
      },
    ],
    [
      'an expired one',
      async () => {
        const { token, credentialId } = await issue('Phantoms', new Date(Date.now() + 3_600_000).toISOString());
        await sql`update worker_credential set expires_at = expires_at - interval '2 hours' where id = ${credentialId}`.execute(
          orchestrator.database.db,
        );
        return token;
      },
    ],
  ])('with %s gets nothing: no stream, no volume', async (_what, make) => {
    const worker = connect({ token: await make() });
    expect(await worker.ended).toMatchObject(refused);
    await expect(worker.readVolume({ jobId: '0', fencingToken: 1n })).rejects.toMatchObject(refused);
  });

  it('whose credential is revoked is cut off within seconds, and its job is given to another', async () => {
    const { token, credentialId } = await issue('Phantoms');
    const { model, bytes } = fresh('revoked');
    const worker = connect({ token });
    worker.register(model);
    await worker.take('registered');
    await orchestrator.complete(bytes);
    const offer = await worker.takeOffer();
    const at = Date.now();
    await credentials().revokeCredential({ credentialId });
    expect(await worker.ended).toMatchObject(refused);
    expect(Date.now() - at).toBeLessThan(15_000);
    await expect(worker.readVolume(offer)).rejects.toMatchObject(refused);
    const other = connect({ token: (await issue('Phantoms')).token });
    other.register(model);
    expect((await other.takeOffer()).jobId).toBe(offer.jobId);
  });

  it('of a vendor with many streams is refused, and one of another vendor is not', async () => {
    const { token } = await issue('Greedy');
    for (let i = 0; i < streamsOfVendorMax; i++) {
      const one = connect({ token });
      const { model } = fresh('greedy');
      one.register(ofVendor('Greedy', model));
      await one.take('registered');
    }
    expect(await connect({ token }).ended).toMatchObject({ code: Status.RESOURCE_EXHAUSTED });
    const other = connect({ token: (await issue('Phantoms')).token });
    other.register(fresh('modest').model);
    await other.take('registered');
  });

  it('cannot register a model that names another vendor, nor one that is another vendor’s', async () => {
    const { model } = fresh('owned');
    const owner = connect({ token: (await issue('Phantoms')).token });
    owner.register(model);
    await owner.take('registered');
    const thief = connect({ token: (await issue('Thief')).token });
    thief.register(model);
    expect(await thief.take('refusal')).toMatchObject({ code: 'vendor-mismatch' });
    // The same model id under its own name, as a newer version that would get the jobs.
    thief.register(
      manifest(model.model?.modelId ?? '', 'CHEST', {
        model: { ...model.model, modelId: model.model?.modelId ?? '', version: '2.0.0', vendor: 'Thief' },
      }),
    );
    expect(await thief.take('refusal')).toMatchObject({ code: 'vendor-mismatch' });
  });

  it('sees nothing of another vendor’s job, even knowing its id and fencing token', async () => {
    const { model, bytes } = fresh('spied');
    const owner = connect({ token: (await issue('Phantoms')).token });
    owner.register(model);
    await owner.take('registered');
    await orchestrator.complete(bytes);
    const offer = await owner.takeOffer();
    const spy = connect({ token: (await issue('Spy')).token });
    const grid = { columns: 1, rows: 1, slices: 1 };
    const stale = { details: expect.stringContaining('stale-fencing-token') as string };
    await expect(spy.readVolume(offer)).rejects.toMatchObject(stale);
    await expect(spy.writeLabelMap(offer, grid, new Uint8Array(1))).rejects.toMatchObject(stale);
    spy.register(ofVendor('Spy', fresh('spy').model));
    await spy.take('registered');
    for (const value of [{ ...offer, kind: protocol.FailureKind.FAILURE_KIND_INPUT_UNUSABLE, detail: '' }])
      spy.send({ $case: 'fail', value });
    expect(await spy.take('refusal')).toMatchObject({ jobId: offer.jobId, code: 'stale-fencing-token' });
    spy.send({ $case: 'complete', value: { ...offer, result: simpleResult } });
    expect(await spy.take('refusal')).toMatchObject({ jobId: offer.jobId, code: 'stale-fencing-token' });
    owner.send({ $case: 'complete', value: { ...offer, result: simpleResult } });
    await owner.take('accepted');
  });
});

describe('a credential', () => {
  it('is kept as a hash, and shown as who issued it, when it was used and when it ended', async () => {
    const { credentialId, token } = await issue('Listed Ltd');
    const { rows } = await sql<
      Record<string, unknown>
    >`select * from worker_credential where id = ${credentialId}`.execute(orchestrator.database.db);
    expect(JSON.stringify(rows)).not.toContain(token.slice(-43));
    const list = async () => (await credentials().listCredentials({})).credentials;
    const listed = async () => (await list()).find((one) => one.credentialId === credentialId);
    expect((await listed())?.lastUsedAt).toBeUndefined();
    const worker = connect({ token });
    worker.register(ofVendor('Listed Ltd', fresh('listed').model));
    await worker.take('registered');
    expect((await listed())?.lastUsedAt).toBeDefined();
    expect((await listed())?.revokedAt).toBeUndefined();
    await credentials().revokeCredential({ credentialId });
    const one = await listed();
    expect(one).toMatchObject({ vendor: 'Listed Ltd', label: 'spec', issuedBy: 'local' });
    expect(one?.revokedAt).toBeDefined();
    expect(JSON.stringify(await list())).not.toContain('cwc_');
  });

  it.each([
    ['', undefined],
    ['x'.repeat(65), undefined],
    ['a\nb', undefined],
    ['Vendor', '2020-01-01T00:00:00Z'],
  ])('for vendor %j until %s is not issued', async (vendor, expiresAt) => {
    await expect(issue(vendor, expiresAt)).rejects.toMatchObject({ code: 3 });
  });

  it('that is not there cannot be revoked', async () => {
    for (const credentialId of ['', 'x', crypto.randomUUID()])
      await expect(credentials().revokeCredential({ credentialId })).rejects.toMatchObject({ code: 5 });
  });
});

describe('the SDK', () => {
  const quiet = (): void => undefined;
  const logger: WorkerLogger = { debug: quiet, info: quiet, warn: quiet, error: quiet };
  interface StartOptions {
    readonly token?: string;
    readonly target?: string;
    readonly credentials?: ChannelCredentials;
    readonly logger?: WorkerLogger;
  }
  const start = (vendor: string, options: StartOptions) => {
    const worker: RunningWorker = runWorker({
      target: orchestrator.workerAddress,
      manifest: {
        model: { modelId: `sdk-${vendor.toLowerCase()}`, version: '1.0.0', name: 'SDK', vendor, intendedUse: 'Tests' },
        selection: { modality: 'CT', orientation: 'axial', bodyParts: ['NOWHERE'] },
        outputs: ['measurements'],
        attemptDurationMaxMs: 60_000,
      },
      handle: () => Promise.resolve({}),
      stopOnSignals: false,
      logger,
      ...options,
    });
    closers.push(() => worker.stop().catch(() => undefined));
    return worker;
  };

  it('takes a credential, and ends with the reason when it is refused, at once or later', async () => {
    await expect(start('Sdk', {}).stopped).rejects.toBeInstanceOf(CredentialRefusedError);
    const { token, credentialId } = await issue('Sdk');
    const worker = start('Sdk', { token });
    await until('registration', () => worker.connected || undefined);
    const stopped = worker.stopped.catch((error: unknown) => error);
    await credentials().revokeCredential({ credentialId });
    expect(await stopped).toBeInstanceOf(CredentialRefusedError);
    const other = start('Other', { token: (await issue('Sdk')).token });
    await expect(other.stopped).rejects.toBeInstanceOf(RegistrationRefusedError);
  });

  it('takes it from CALLOSUM_WORKER_TOKEN', async () => {
    process.env['CALLOSUM_WORKER_TOKEN'] = (await issue('Env')).token;
    try {
      const worker = start('Env', {});
      await until('registration', () => worker.connected || undefined);
    } finally {
      delete process.env['CALLOSUM_WORKER_TOKEN'];
    }
  });

  it('sends it to another machine over TLS only', () => {
    for (const target of ['10.1.2.3:50051', 'http://callosum.example:50051', '127.evil.example:50051'])
      expect(() => start('Sdk', { token: 'x', target })).toThrow(InsecureTargetError);
  });

  it('reaches a port with TLS', async () => {
    const authority = await TestAuthority.create();
    const { certFile, keyFile } = await authority.issue('worker-port', 'DNS:localhost');
    const replica = await orchestrator.replica({
      ...required,
      CALLOSUM_AUTH_WORKER_TLS_CERT_FILE: certFile,
      CALLOSUM_AUTH_WORKER_TLS_KEY_FILE: keyFile,
    });
    closers.push(
      () => authority.remove(),
      () => replica.close(),
    );
    const { token } = await issue('Tls');
    const target = `https://localhost:${addressOf(replica).split(':')[1]}`;
    const roots = ChannelCredentials.createSsl(await readFile(authority.caFile));
    const worker = start('Tls', { token, target, credentials: roots });
    await until('registration', () => worker.connected || undefined);
    // A client that does not know the authority, and one without TLS, do not get that far.
    for (const wrong of [{ target }, { target: target.replace('https://', '') }]) {
      const lost: unknown[] = [];
      const warn = (fields: object): void => void lost.push(fields);
      const stranger = start('Tls', { token, ...wrong, logger: { ...logger, warn } });
      // More than one try: the first may have come before the port could answer.
      await until('its failures', () => lost.length >= 2 || undefined);
      expect(lost).toEqual(lost.map(() => ({ error: 'grpc.UNAVAILABLE' })));
      expect(stranger.connected).toBe(false);
    }
    expect(worker.connected).toBe(true);
    await worker.stop();
  });
});

describe('the worker port on another address than loopback', () => {
  const files = { CALLOSUM_AUTH_WORKER_TLS_CERT_FILE: '/c', CALLOSUM_AUTH_WORKER_TLS_KEY_FILE: '/k' };
  it.each([
    ['127.0.0.1', {}, true],
    ['0.0.0.0', {}, false],
    ['0.0.0.0', required, false],
    ['0.0.0.0', files, false],
    ['0.0.0.0', { ...required, ...files }, true],
  ])('%s with %o: starts %s', (host, env, starts) => {
    const bind = () => assertWorkerBind(parseSettings(orchestratorSettings, { CALLOSUM_GRPC_HOST: host, ...env }));
    if (starts) expect(bind).not.toThrow();
    else expect(bind).toThrow(UnauthenticatedBindError);
  });

  it('does not start with half of a certificate', () => {
    const env = { CALLOSUM_AUTH_WORKER_TLS_CERT_FILE: '/c' };
    expect(() => assertWorkerBind(parseSettings(orchestratorSettings, env))).toThrow(/set both/);
  });
});
