import { afterEach, describe, expect, it } from 'vitest';

import { openPolicy, type Provider, startProvider, until } from '../../test-support/providers.js';
import { commitmentInstance, identifier, mpps, proposed, storageCommitment } from '../../test-support/services.js';
import {
  ContextRefusedError,
  DimseStatusError,
  type EventReportRequest,
  type NormalizedAnswer,
  type NormalizedRequest,
  type RequestHandler,
  scpLimits,
  ScuAssociation,
} from '../index.js';

let provider: Provider;
let association: ScuAssociation | undefined;
afterEach(async () => {
  association?.abort();
  await provider.server.close(0);
});

async function associate(
  handler: RequestHandler,
  abstractSyntaxUid: string,
  ours: RequestHandler = {},
): Promise<ScuAssociation> {
  provider = await startProvider({}, undefined, { handler, policy: openPolicy([]) });
  const to = { host: '127.0.0.1', port: provider.port, calledAet: 'CALLOSUM', callingAet: 'TEST' };
  return (association = await ScuAssociation.open({ ...to, handler: ours }, [proposed(abstractSyntaxUid)]));
}

describe('the DIMSE-N services', () => {
  it('bring what was asked and what is answered', async () => {
    const asked: unknown[] = [];
    const answer = (request: NormalizedRequest): Promise<NormalizedAnswer> => {
      const { signal, messageId, ...said } = request;
      expect([signal.aborted, messageId > 0]).toEqual([false, true]);
      asked.push({ ...said, dataset: request.dataset?.toString() });
      return Promise.resolve({ status: 0, dataset: identifier('answer') });
    };
    const scu = await associate({ nGet: answer, nSet: answer, nAction: answer, nDelete: answer }, mpps);
    const id = scu.contextFor(mpps);
    const sopInstanceUid = '1.2.3.4';
    const answered = { status: 0, dataset: identifier('answer'), sopInstanceUid };
    expect(await scu.nGet(id, [0x0010_0010, 0x0040_0252], { sopInstanceUid })).toEqual(answered);
    expect(await scu.nSet(id, { sopInstanceUid, dataset: identifier('change') })).toEqual(answered);
    expect(await scu.nAction(id, 7, { sopInstanceUid, dataset: identifier('do') })).toEqual(answered);
    expect(await scu.nDelete(id, { sopInstanceUid })).toEqual(answered);
    const base = {
      sopClassUid: mpps,
      abstractSyntaxUid: mpps,
      transferSyntaxUid: '1.2.840.10008.1.2.1',
      sopInstanceUid,
    };
    expect(asked).toEqual([
      { ...base, attributeIdentifiers: [0x0010_0010, 0x0040_0252], dataset: undefined },
      { ...base, dataset: 'change' },
      { ...base, actionTypeId: 7, dataset: 'do' },
      { ...base, dataset: undefined },
    ]);
  });

  it('N-CREATE may leave its UID to the provider', async () => {
    const scu = await associate(
      {
        nCreate: (request) =>
          Promise.resolve({ status: 0, sopInstanceUid: request.sopInstanceUid ?? '1.2.9', dataset: request.dataset! }),
      },
      mpps,
    );
    const id = scu.contextFor(mpps);
    expect(await scu.nCreate(id, { dataset: identifier('step') })).toMatchObject({
      status: 0,
      sopInstanceUid: '1.2.9',
    });
    expect(await scu.nCreate(id, { sopInstanceUid: '1.2.8', dataset: identifier('step') })).toMatchObject({
      sopInstanceUid: '1.2.8',
      dataset: identifier('step'),
    });
  });

  it('answer with the status a handler throws, 0110 for a defect, and 0211 for what nobody serves', async () => {
    const scu = await associate(
      {
        nCreate: () => Promise.reject(new DimseStatusError(0x0111)),
        nSet: () => Promise.reject(new TypeError('defect')),
      },
      mpps,
    );
    const id = scu.contextFor(mpps);
    expect((await scu.nCreate(id, {})).status).toBe(0x0111);
    expect(provider.errors).toEqual([]);
    expect((await scu.nSet(id, {})).status).toBe(0x0110);
    expect(provider.errors).toHaveLength(1);
    expect((await scu.nDelete(id, {})).status).toBe(0x0211);
  });

  it('refuse a list over the limit with 0213', async () => {
    const scu = await associate({ nSet: () => Promise.resolve({ status: 0 }) }, mpps);
    const dataset = Buffer.alloc(scpLimits.identifierBytesMax + 2);
    expect((await scu.nSet(scu.contextFor(mpps), { dataset })).status).toBe(0x0213);
  });
});

describe('storage commitment', () => {
  it('is asked for and reported on one association', async () => {
    const reports: EventReportRequest[] = [];
    const scu = await associate({ nAction: () => Promise.resolve({ status: 0 }) }, storageCommitment, {
      nEventReport: (request) => {
        reports.push(request);
        return Promise.resolve({ status: 0 });
      },
    });
    const id = scu.contextFor(storageCommitment);
    const requested = { sopInstanceUid: commitmentInstance, dataset: identifier('these') };
    expect((await scu.nAction(id, 1, requested)).status).toBe(0);
    const [accepted] = provider.accepted;
    const event = { sopInstanceUid: commitmentInstance, dataset: identifier('kept') };
    expect((await accepted?.nEventReport(storageCommitment, 1, event))?.status).toBe(0);
    expect(reports[0]).toMatchObject({
      eventTypeId: 1,
      sopInstanceUid: commitmentInstance,
      dataset: identifier('kept'),
    });
    await expect(accepted?.nEventReport(mpps, 1, event)).rejects.toBeInstanceOf(ContextRefusedError);
    await scu.release();
    await until(() => provider.ends.length === 1);
    await expect(accepted?.nEventReport(storageCommitment, 1, event)).rejects.toMatchObject({
      code: 'dimse.association-aborted',
    });
  });
});
