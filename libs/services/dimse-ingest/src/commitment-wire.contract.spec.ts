import { requestCommitment } from '@callosum/dimse';
import { freePort, orSkip, startPostgres, type TestPostgres } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { AskForCommitment } from './application/ask-for-commitment.js';
import { image } from './test-support/images.js';
import { listening, modality, python } from './test-support/modality.js';
import { TestNode } from './test-support/node.js';

const postgres = await orSkip(() => startPostgres());
const ct = '1.2.840.10008.5.1.4.1.1.2';
const mr = '1.2.840.10008.5.1.4.1.1.4';

interface Report {
  readonly type: number;
  readonly transaction: string;
  readonly retrieve: string | null;
  readonly committed: readonly string[];
  readonly failed: readonly (readonly [string, number])[];
}
interface Heard {
  readonly reported: readonly Report[];
}
type Asked = Heard & { readonly action: number; readonly comment: string | null };

/** Storage commitment with pynetdicom, in both roles, on real PostgreSQL. */
describe.skipIf(postgres.missing !== undefined || python.missing !== undefined)('storage commitment', () => {
  const server = postgres.server as TestPostgres;
  let node: TestNode;
  let listen: number;
  let archive: number;
  let twin: number;

  beforeAll(async () => {
    [listen, archive] = [await freePort(), await freePort()];
    const at = (aet: string, port?: number) => ({ aet, host: '127.0.0.1', ...(port === undefined ? {} : { port }) });
    twin = await freePort();
    const twins = ['127.0.0.1', '127.0.0.2'].map((host) => ({ aet: 'TWIN', host, port: twin }));
    const aes = JSON.stringify([at('MODALITY', listen), at('DEAF'), at('PACS', archive), ...twins]);
    node = await TestNode.start(server, {
      CALLOSUM_DIMSE_AES: aes,
      CALLOSUM_COMMITMENT_GRACE_MS: '300',
      CALLOSUM_DRAIN_GRACE_MS: '5000',
    });
    const stored = await node.send([image('1.2.3.1.1'), image('1.2.3.1.2')], 'MODALITY');
    expect(stored.map(({ status }) => status)).toEqual([0, 0]);
  });
  afterAll(async () => {
    await node?.stop();
    await server?.stop();
  });

  const stateOf = async (transaction: string): Promise<Record<string, unknown> | undefined> =>
    (
      await node.admin.query<Record<string, unknown>>(
        'select * from dimse_ingest.commitment where transaction_uid = $1 and not is_duplicate',
        [transaction],
      )
    ).rows[0];
  const commit = (args: object): Promise<Asked> => modality<Asked>(node.port, 'commit', args);
  const kept = [
    [ct, '1.2.3.1.1'],
    [ct, '1.2.3.1.2'],
  ];

  it('is reported on the association it was asked for on: all there is, and what is not', async () => {
    expect(await commit({ transaction: '1.1.1', references: kept })).toEqual({
      action: 0,
      comment: null,
      reported: [
        { type: 1, transaction: '1.1.1', retrieve: 'CALLOSUM', committed: ['1.2.3.1.1', '1.2.3.1.2'], failed: [] },
      ],
    });
    const { reported } = await commit({
      transaction: '1.1.2',
      references: [...kept.slice(0, 1), [mr, '1.2.3.1.2'], [ct, '1.2.3.1.9']],
    });
    expect(reported).toMatchObject([
      {
        type: 2,
        committed: ['1.2.3.1.1'],
        failed: [
          ['1.2.3.1.2', 0x0119],
          ['1.2.3.1.9', 0x0112],
        ],
      },
    ]);
    await expect.poll(async () => (await stateOf('1.1.2'))?.['state']).toBe('reported');
  });

  it('says of a Transaction UID in use that it is, and of the same request what it said', async () => {
    await commit({ transaction: '1.1.3', references: kept });
    const { reported } = await commit({ transaction: '1.1.3', references: kept.slice(0, 1) });
    expect(reported).toMatchObject([{ type: 2, committed: [], failed: [['1.2.3.1.1', 0x0131]] }]);
    expect((await commit({ transaction: '1.1.3', references: kept })).reported).toMatchObject([{ type: 1 }]);
  });

  it('refuses what is no request', async () => {
    const references = kept.slice(0, 1);
    expect(await commit({ references })).toMatchObject({ action: 0x0115, comment: 'TransactionUID is no UID' });
    expect(await commit({ transaction: '1.1.4', references: [] })).toMatchObject({ action: 0x0115 });
    expect(await commit({ transaction: '1.1.4', references, action: 2 })).toMatchObject({ action: 0x0123 });
    expect(await commit({ transaction: '1.1.4', references, instance: '1.2.3' })).toMatchObject({ action: 0x0112 });
    expect(await commit({ transaction: '1.1.4', references, sop_class: ct })).toMatchObject({ action: 0x0118 });
    expect(await stateOf('1.1.4')).toBeUndefined();
  });

  it('takes 12,000 instances in one request', async () => {
    const references = Array.from({ length: 12_000 }, (_, n) => ({
      sopClassUid: ct,
      sopInstanceUid: `1.2.3.1.${n + 1}`,
    }));
    const report = await requestCommitment(node.to('MODALITY'), { transactionUid: '1.1.5', references }, 30_000);
    expect(report?.committed).toEqual(references.slice(0, 2));
    expect(report?.failed).toHaveLength(11_998);
  });

  it('is reported on an association of ours, as provider, when the requestor has left', async () => {
    const heard = await listening<Heard & { roles: unknown }>(node.port, 'listen', { listen, refuse: 1, reports: 1 });
    await modality(node.port, 'commit_elsewhere', { transaction: '1.1.6', references: kept });
    // The first report is refused: the request waits on its own.
    await expect.poll(async () => (await stateOf('1.1.6'))?.['error_code']).toBe('dimse-ingest.report-refused');
    await node.admin.query("update dimse_ingest.commitment set due_at = now() where state = 'waiting'");
    const { reported, roles } = await heard.result;
    expect(reported).toMatchObject([{ type: 1, transaction: '1.1.6', committed: ['1.2.3.1.1', '1.2.3.1.2'] }]);
    expect(roles).toContainEqual([true, false]);
    await expect.poll(async () => (await stateOf('1.1.6'))?.['state']).toBe('reported');
  });

  it('is reported where it was asked for, and not to another node of the same title', async () => {
    const listens = (host: string, wait: number) =>
      listening<Heard>(node.port, 'listen', { aet: 'TWIN', listen: twin, host, wait });
    const [other, asking] = [await listens('127.0.0.1', 6), await listens('127.0.0.2', 20)];
    await modality(node.port, 'commit_elsewhere', {
      ...{ aet: 'TWIN', from: '127.0.0.2' },
      ...{ transaction: '1.1.10', references: kept },
    });
    expect((await asking.result).reported).toMatchObject([{ type: 1, transaction: '1.1.10' }]);
    expect((await other.result).reported).toEqual([]);
  });

  it('is reported after a restart to a requestor that was away, and waits for one nobody can call', async () => {
    await modality(node.port, 'commit_elsewhere', { transaction: '1.1.7', references: kept });
    await modality(node.port, 'commit_elsewhere', { aet: 'DEAF', transaction: '1.1.8', references: kept });
    await expect.poll(async () => (await stateOf('1.1.7'))?.['error_code']).toBe('dimse.peer-unreachable');
    await expect.poll(async () => (await stateOf('1.1.8'))?.['error_code']).toBe('dimse-ingest.not-callable');
    await node.halt();
    const heard = await listening<Heard>(0, 'listen', { listen });
    await node.boot();
    await node.admin.query(
      "update dimse_ingest.commitment_requestor set next_attempt_at = now() where aet = 'MODALITY'",
    );
    expect((await heard.result).reported).toMatchObject([{ type: 1, transaction: '1.1.7' }]);
    expect(await stateOf('1.1.8')).toMatchObject({ state: 'waiting' });
  });

  it('is asked of another archive, which reports at once or on an association of its own', async () => {
    const ask = node.service.app.get(AskForCommitment);
    const references = [{ sopClassUid: ct, sopInstanceUid: '1.2.3.1.1' }];
    const atOnce = await listening<{ taken: string[] }>(archive, 'archive', { at_once: true });
    const asked = await ask.execute('PACS', references);
    expect(asked.report).toMatchObject({ committed: references, failed: [] });
    expect((await atOnce.result).taken).toEqual([asked.transactionUid]);

    const later = await listening<{ taken: string[] }>(archive, 'archive', {});
    const waiting = await ask.execute('PACS', references);
    await later.result;
    expect(await ask.reportOf(waiting.transactionUid)).toBeUndefined();
    const report = { aet: 'PACS', references: kept.slice(0, 1), transaction: waiting.transactionUid };
    // Whoever has the Transaction UID, and what was not asked for.
    const foreign = { ...report, aet: 'MODALITY' };
    expect(await modality(node.port, 'report', foreign)).toEqual({ status: 0x0115 });
    expect(await modality(node.port, 'report', { ...report, references: kept })).toEqual({ status: 0x0115 });
    expect(await ask.reportOf(waiting.transactionUid)).toBeUndefined();
    expect(await modality(node.port, 'report', report)).toEqual({ status: 0 });
    expect(await ask.reportOf(waiting.transactionUid)).toMatchObject({ committed: references });
    expect(await modality(node.port, 'report', { ...report, transaction: '1.1.99' })).toEqual({ status: 0x0115 });
    expect(await modality(node.port, 'report', { ...report, event: 7 })).toEqual({ status: 0x0113 });

    const refusing = await listening(archive, 'archive', { status: 0x0110 });
    await expect(ask.execute('PACS', references)).rejects.toMatchObject({ status: 0x0110 });
    await refusing.result;
    await expect(ask.execute('DEAF', references)).rejects.toMatchObject({ code: 'dimse-ingest.not-callable' });
  });
});
