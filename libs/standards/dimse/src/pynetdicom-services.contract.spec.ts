import { buffer } from 'node:stream/consumers';

import { accepts, freePort, type ServerProcess, startProcess } from '@callosum/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { ctImageStorage, dataset, element } from '../test-support/objects.js';
import { openPolicy, type Provider, startProvider } from '../test-support/providers.js';
import { python, runScript, script } from '../test-support/pynetdicom.js';
import {
  commitmentInstance,
  ctAsProvider,
  drained,
  getHandler,
  mpps,
  proposed,
  storageCommitment,
  studyRootFind,
  studyRootGet,
} from '../test-support/services.js';
import {
  type AcceptancePolicy,
  DimseStatusError,
  type EventReportRequest,
  isStorageService,
  type ProposedContext,
  QueryStatus,
  type RequestHandler,
  ScuAssociation,
  type ScuOptions,
} from './index.js';

const match = (patientId: string): Buffer =>
  Buffer.concat([element(0x0008, 0x0052, 'CS', 'STUDY'), element(0x0010, 0x0020, 'LO', patientId)]);
const study = match('');
const transaction = element(0x0008, 0x1195, 'UI', '1.2.3.4');

describe.skipIf(python.missing !== undefined)('pynetdicom asks our provider', () => {
  let provider: Provider | undefined;
  afterEach(() => provider?.server.close(0));
  const ask = async (what: string, handler: RequestHandler, policy?: AcceptancePolicy): Promise<unknown> => {
    provider = await startProvider({}, undefined, { handler, policy: policy ?? openPolicy([ctImageStorage]) });
    return runScript('pynetdicom_requestor.py', String(provider.port), what);
  };

  it('C-FIND with a C-CANCEL', async () => {
    let sent = 0;
    const answer = await ask('find', {
      async *find({ signal }) {
        // No faster than it reads: what lies in the kernel's buffers comes to it after its C-CANCEL, however late.
        for (; sent < 1_000 && !signal.aborted; sent++) {
          await new Promise((resolve) => setTimeout(resolve, 3));
          yield { identifier: match(`P${sent}`) };
        }
      },
    });
    expect(answer).toMatchObject({ first: ['P0', 'P1', 'P2'], final: QueryStatus.Cancel });
    expect(sent).toBeLessThan(1_000);
  });

  it('C-GET with roles: counts, and what failed', async () => {
    const objects = [1, 2, 3, 4].map((number) => {
      const sopInstanceUid = `1.2.3.${number}`;
      return { sopInstanceUid, bytes: dataset({ sopInstanceUid, pixelBytes: 300_000 }) };
    });
    expect(await ask('get', { get: getHandler(objects) })).toEqual({
      received: Object.fromEntries(objects.map(({ sopInstanceUid, bytes }) => [sopInstanceUid, bytes.length])),
      status: 0xb000,
      counts: [3, 1, 0],
      failed: ['1.2.3.3'],
    });
  });

  it('N-ACTION, and is told by N-EVENT-REPORT on the same association', async () => {
    const statuses: number[] = [];
    const answer = await ask('commitment', {
      nAction: (request) => {
        setTimeout(() => {
          const event = { sopInstanceUid: commitmentInstance, dataset: request.dataset ?? Buffer.alloc(0) };
          void provider?.accepted[0]
            ?.nEventReport(storageCommitment, 1, event)
            .then(({ status }) => statuses.push(status));
        }, 100);
        return Promise.resolve({ status: 0 });
      },
    });
    expect(answer).toEqual({ action: 0, reported: [[1, '1.2.3.4']] });
    expect(statuses).toEqual([0]);
  });

  it('N-CREATE and N-SET', async () => {
    const known = new Set<string>();
    const answer = await ask('mpps', {
      nCreate: ({ sopInstanceUid = '', dataset: attributes }) => {
        known.add(sopInstanceUid);
        return Promise.resolve({ status: 0, ...(attributes ? { dataset: attributes } : {}) });
      },
      nSet: ({ sopInstanceUid = '' }) =>
        known.has(sopInstanceUid)
          ? Promise.resolve({ status: 0 })
          : Promise.reject(new DimseStatusError(0x0112, { comment: 'no such step' })),
    });
    expect(answer).toEqual({
      created: 0,
      attributes: 'IN PROGRESS',
      changed: 0,
      unknown: [0x0112, 'no such step'],
    });
  });

  it('an operations window, a user identity and both extended negotiations', async () => {
    const open = openPolicy([]);
    const answer = await ask(
      'negotiation',
      {},
      {
        accept: (proposal) =>
          proposal.abstractSyntaxUid === studyRootFind || isStorageService(proposal.common)
            ? open.accept(proposal)
            : undefined,
        operationsMax: 4,
        answerExtended: (_uid, information) => Buffer.from([information[0] ?? 0, 0]),
        userIdentityResponse: Buffer.from('welcome'),
      },
    );
    expect(answer).toEqual({
      window: [4, 2],
      extended: { [studyRootFind]: [1, 0] },
      accepted: ['1.2.826.0.1.3680043.9.9999.1', studyRootFind],
      identity: ['welcome'],
    });
    const identity = provider?.associations[0]?.userIdentity;
    expect(Buffer.from(identity?.primary ?? []).toString('utf8')).toBe('zoë');
    expect(Buffer.from(identity?.secondary ?? []).toString('utf8')).toBe('geheim');
  });
});

describe.skipIf(python.missing !== undefined)('we ask pynetdicom', () => {
  let port: number;
  let server: ServerProcess;
  let association: ScuAssociation | undefined;
  beforeAll(async () => {
    port = await freePort();
    server = await startProcess({
      command: python.server ?? '',
      args: [script('pynetdicom_provider.py'), String(port)],
      ready: () => accepts(port),
      readyTimeoutMs: 20_000,
    });
  });
  afterAll(() => server.stop());
  afterEach(() => association?.abort());
  const associate = async (
    contexts: readonly ProposedContext[],
    options: Partial<ScuOptions> = {},
  ): Promise<ScuAssociation> => {
    const userIdentity = { username: 'zoë', passcode: 'geheim' };
    const to = { host: '127.0.0.1', port, calledAet: 'PYNETDICOM', callingAet: 'CALLOSUM', userIdentity };
    return (association = await ScuAssociation.open({ ...to, ...options }, contexts));
  };

  it('C-FIND: every match, a failure, and a C-CANCEL', async () => {
    const scu = await associate([proposed(studyRootFind)]);
    const id = scu.contextFor(studyRootFind);
    const { items, result } = await drained(scu.find(id, study));
    expect(items).toHaveLength(1_000);
    expect(items[999]?.identifier.includes('P00999')).toBe(true);
    expect(result).toEqual({ status: 0 });
    await expect(drained(scu.find(id, match('NONE')))).rejects.toMatchObject({ status: 0xa900 });
    const controller = new AbortController();
    const matches = scu.find(id, match('SLOW'), { signal: controller.signal });
    await matches.next();
    controller.abort();
    expect((await drained(matches)).result.status).toBe(QueryStatus.Cancel);
    await scu.release();
  });

  it('C-GET: objects come to our handler, and what it refuses is counted', async () => {
    const scu = await associate([proposed(studyRootGet), ctAsProvider]);
    const lengths: number[] = [];
    const progress: number[] = [];
    const outcome = await scu.get(scu.contextFor(studyRootGet), study, {
      onProgress: ({ completed }) => progress.push(completed),
      store: async ({ dataset: bytes, sopInstanceUid }) => {
        lengths.push((await buffer(bytes)).length);
        return { status: sopInstanceUid === '1.2.3.2' ? 0xa700 : 0 };
      },
    });
    expect(outcome).toMatchObject({
      status: 0xb000,
      failedSopInstanceUids: ['1.2.3.2'],
      counts: { completed: 3, failed: 1 },
    });
    expect(lengths.every((length) => length > 180_000)).toBe(true);
    expect(progress.length).toBeGreaterThan(0);
    await scu.release();
  });

  it('N-ACTION, and hear the N-EVENT-REPORT', async () => {
    const reports: EventReportRequest[] = [];
    const heard = Promise.withResolvers<void>();
    const nEventReport: RequestHandler['nEventReport'] = (request) => {
      reports.push(request);
      heard.resolve();
      return Promise.resolve({ status: 0 });
    };
    const scu = await associate([proposed(storageCommitment)], { handler: { nEventReport } });
    const request = { sopInstanceUid: commitmentInstance, dataset: transaction };
    expect((await scu.nAction(scu.contextFor(storageCommitment), 1, request)).status).toBe(0);
    await heard.promise;
    expect(reports[0]).toMatchObject({ eventTypeId: 1, sopInstanceUid: commitmentInstance, dataset: transaction });
    await scu.release();
  });

  it('N-CREATE and N-SET, with their attribute lists and failures', async () => {
    const scu = await associate([proposed(mpps)]);
    const id = scu.contextFor(mpps);
    const step = element(0x0040, 0x0252, 'CS', 'IN PROGRESS');
    const created = await scu.nCreate(id, { sopInstanceUid: '1.2.3.9', dataset: step });
    expect(created).toMatchObject({ status: 0, dataset: step });
    expect((await scu.nCreate(id, { sopInstanceUid: '1.2.3.9', dataset: step })).status).toBe(0x0111);
    const done = element(0x0040, 0x0252, 'CS', 'COMPLETED');
    expect(await scu.nSet(id, { sopInstanceUid: '1.2.3.9', dataset: done })).toMatchObject({
      status: 0,
      dataset: done,
    });
    expect((await scu.nSet(id, { sopInstanceUid: '1.2.3.8', dataset: done })).status).toBe(0x0112);
    await scu.release();
  });

  it('an operations window, user identities, and extended negotiation', async () => {
    const find = { ...proposed(studyRootFind), extendedNegotiation: Buffer.from([1, 1]) };
    const scu = await associate([find], {
      operationsWindow: { invoked: 8, performed: 1 },
      userIdentity: { jwt: 'a.b.c', positiveResponseRequested: true },
    });
    // It grants one operation at a time, whatever is proposed.
    expect(scu.operationsWindow).toEqual({ invoked: 1, performed: 1 });
    expect(scu.extendedNegotiation).toEqual([{ sopClassUid: studyRootFind, information: Buffer.from([1, 0]) }]);
    expect(Buffer.from(scu.userIdentityResponse ?? []).toString()).toBe('welcome');
    await scu.release();
    const unknown = associate([find], { userIdentity: { username: 'nobody', passcode: 'x' } });
    await expect(unknown).rejects.toMatchObject({ code: 'dimse.association-rejected' });
  });
});
