import { datasetOf, encodeDataset } from '@callosum/dicom';
import { afterEach, describe, expect, it } from 'vitest';

import { openPolicy, type Provider, startProvider } from '../../test-support/providers.js';
import {
  type AcceptedAssociation,
  type EventReportRequest,
  type RequestHandler,
  storageCommitmentClass,
} from '../index.js';
import {
  type CommitmentReport,
  decodeCommitmentReport,
  decodeCommitmentRequest,
  encodeCommitmentReport,
  encodeCommitmentRequest,
  eventTypeOf,
  storageCommitmentInstance,
} from './commitment.js';
import { CommitmentReporter, commitmentReferencesMax, requestCommitment } from './request-commitment.js';

const syntaxes = ['1.2.840.10008.1.2', '1.2.840.10008.1.2.1'];
const [explicit = ''] = syntaxes.slice(1);
const one = { sopClassUid: '1.2.840.10008.5.1.4.1.1.2', sopInstanceUid: '1.2.3.1' };
const other = { ...one, sopInstanceUid: '1.2.3.2' };
const mixed: CommitmentReport = {
  transactionUid: '1.2.3',
  committed: [one],
  failed: [{ ...other, failureReason: 0x0112 }],
  retrieveAet: 'ARCHIVE',
};

describe('information of a storage commitment', () => {
  it.each(syntaxes)('is read as it was written in %s', (uid) => {
    const request = { transactionUid: '1.2.3', references: [one, other] };
    expect(decodeCommitmentRequest(encodeCommitmentRequest(request, uid), uid, 2)).toEqual(request);
    expect(decodeCommitmentReport(encodeCommitmentReport(mixed, uid), uid)).toEqual(mixed);
    const all = { transactionUid: '1.2.3', committed: [one], failed: [] };
    expect(decodeCommitmentReport(encodeCommitmentReport(all, uid), uid)).toEqual(all);
    expect([eventTypeOf(mixed), eventTypeOf(all)]).toEqual([2, 1]);
  });

  it('is refused when it is none, with a status and the attribute it is about', () => {
    const read =
      (request: Parameters<typeof encodeCommitmentRequest>[0], most = 10) =>
      () =>
        decodeCommitmentRequest(encodeCommitmentRequest(request, explicit), explicit, most);
    const status = (code: number, attributeIdentifiers?: number[]) =>
      expect.objectContaining({ status: code, ...(attributeIdentifiers && { attributeIdentifiers }) }) as Error;
    expect(read({ transactionUid: '', references: [one] })).toThrow(status(0x0115, [0x00081195]));
    expect(read({ transactionUid: '1.2', references: [] })).toThrow(status(0x0115, [0x00081199]));
    expect(read({ transactionUid: '1.2', references: [{ ...one, sopInstanceUid: 'x' }] })).toThrow(status(0x0115));
    expect(read({ transactionUid: '1.2', references: [one, other] }, 1)).toThrow(status(0x0213));
    expect(() => decodeCommitmentRequest(Buffer.from('garbage'), explicit, 1)).toThrow(status(0x0115));
    expect(() => decodeCommitmentRequest(undefined, explicit, 1)).toThrow(status(0x0115));
  });

  it('may be as long as we write it, and does not inflate to more than a message may have', () => {
    const failed = Array.from({ length: commitmentReferencesMax }, (_, i) => ({
      ...one,
      sopInstanceUid: `1.2.${i}`,
      failureReason: 0x0112,
    }));
    const longest = { transactionUid: '1.2.3', committed: [], failed };
    expect(decodeCommitmentReport(encodeCommitmentReport(longest, explicit), explicit)).toEqual(longest);
    const deflated = '1.2.840.10008.1.2.1.99';
    const asked = (TextValue: string): Buffer => {
      const item = { ReferencedSOPClassUID: one.sopClassUid, ReferencedSOPInstanceUID: one.sopInstanceUid };
      const attributes = { TransactionUID: '1.2.3', ReferencedSOPSequence: [item], TextValue };
      return Buffer.from(encodeDataset(datasetOf(attributes), { transferSyntaxUid: deflated }).bytes);
    };
    expect(decodeCommitmentRequest(asked('short'), deflated, 10).references).toEqual([one]);
    const bomb = asked(Array.from({ length: 700_000 }, (_, i) => i).join(' '));
    expect(bomb.length).toBeLessThan(2 * 1024 * 1024);
    expect(() => decodeCommitmentRequest(bomb, deflated, 10)).toThrow('cannot be read');
  });
});

describe('between our user and our provider', () => {
  let provider: Provider | undefined;
  afterEach(() => provider?.server.close(0));
  const start = async (
    handler: RequestHandler,
  ): Promise<{ host: string; port: number; calledAet: string; callingAet: string }> => {
    provider = await startProvider({}, undefined, { handler, policy: openPolicy([]) });
    return { host: '127.0.0.1', port: provider.port, calledAet: 'ANY', callingAet: 'US' };
  };
  const request = { transactionUid: '1.2.3', references: [one, other] };
  const event = (report: CommitmentReport) => ({
    sopInstanceUid: storageCommitmentInstance,
    dataset: encodeCommitmentReport(report, explicit),
  });
  const tell = (association: AcceptedAssociation | undefined, report: CommitmentReport) =>
    association?.nEventReport(storageCommitmentClass, eventTypeOf(report), event(report));

  it('a report comes on the association of the request, and one of another transaction is none', async () => {
    const statuses: (number | undefined)[] = [];
    const to = await start({
      nAction: () => {
        setTimeout(() => {
          void (async () => {
            const [association] = provider?.accepted ?? [];
            statuses.push((await tell(association, { ...mixed, transactionUid: '9' }))?.status);
            statuses.push((await tell(association, mixed))?.status);
          })();
        }, 20);
        return Promise.resolve({ status: 0 });
      },
    });
    expect(await requestCommitment(to, request, 10_000)).toEqual(mixed);
    await expect.poll(() => statuses).toEqual([0x0115, 0]);
  });

  it('none comes: the request stands; a refused one does not', async () => {
    const silent = await start({ nAction: () => Promise.resolve({ status: 0 }) });
    expect(await requestCommitment(silent, request, 100)).toBeUndefined();
    await provider?.server.close(0);
    const refusing = await start({ nAction: () => Promise.resolve({ status: 0x0213, comment: 'full' }) });
    await expect(requestCommitment(refusing, request, 100)).rejects.toMatchObject({ status: 0x0213, comment: 'full' });
    const references = Array.from({ length: commitmentReferencesMax + 1 }, () => one);
    await expect(requestCommitment(refusing, { ...request, references }, 100)).rejects.toThrow(RangeError);
  });

  it('reports go on one association of the provider’s own', async () => {
    const heard: EventReportRequest[] = [];
    const to = await start({
      nEventReport: (report) => {
        heard.push(report);
        return Promise.resolve({ status: heard.length === 1 ? 0 : 0x0110 });
      },
    });
    const reporter = await CommitmentReporter.open(to);
    expect([await reporter.report(mixed), await reporter.report(mixed)]).toEqual([0, 0x0110]);
    await reporter.close();
    expect(heard.map(({ eventTypeId }) => eventTypeId)).toEqual([2, 2]);
    expect(provider?.associations[0]?.roles).toEqual([{ sopClassUid: storageCommitmentClass, scu: false, scp: true }]);
  });
});
