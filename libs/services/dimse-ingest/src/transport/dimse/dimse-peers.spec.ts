import { connect, type Socket } from 'node:net';
import { Readable } from 'node:stream';

import {
  AssociationRejectedError,
  echo,
  type ProposedContext,
  readPart10,
  ScuAssociation,
  storeFiles,
  verificationSopClassUid,
} from '@callosum/dimse';
import { afterEach, describe, expect, it } from 'vitest';

import { ctFile, MemoryNode } from '../../test-support/memory-node.js';

let node: MemoryNode;
const sockets: Socket[] = [];
const associations: ScuAssociation[] = [];
afterEach(async () => {
  sockets.splice(0).forEach((socket) => socket.destroy());
  associations.splice(0).forEach((association) => association.abort());
  await node.close();
});

const ct = '1.2.840.10008.5.1.4.1.1.2';
const [implicit, explicit, jpeg] = ['1.2.840.10008.1.2', '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.4.50'] as const;
const proposed = (abstractSyntaxUid = ct, ...transferSyntaxUids: string[]): ProposedContext => ({
  abstractSyntaxUid,
  transferSyntaxUids: transferSyntaxUids.length > 0 ? transferSyntaxUids : [explicit],
});
const knowing = (...aes: object[]): Record<string, string> => ({
  CALLOSUM_DIMSE_AES: JSON.stringify(aes.map((ae) => ({ aet: 'CT1', host: '127.0.0.1', ...ae }))),
});
async function open(contexts: readonly ProposedContext[], changes = {}): Promise<ScuAssociation> {
  const association = await ScuAssociation.open(node.to(changes), contexts);
  associations.push(association);
  return association;
}
const rejection = (error: unknown): number[] => {
  if (!(error instanceof AssociationRejectedError)) throw error;
  return [error.result, error.source, error.reason];
};
const rejected = (changes = {}): Promise<unknown> => echo(node.to(changes)).then(() => 'accepted', rejection);
async function store(association: ScuAssociation, sopInstanceUid: string): Promise<number> {
  const file = ctFile(sopInstanceUid);
  const { datasetOffset } = await readPart10(file);
  const id = association.contextFor(ct, explicit);
  return (await association.store(id, ct, sopInstanceUid, () => Readable.from([file.subarray(datasetOffset)]))).status;
}

describe('an AE', () => {
  it('has as many associations as its entry says; one more is rejected 2/3/2, and others come in', async () => {
    node = await MemoryNode.start(knowing({ associationsMax: 1 }, { aet: 'MR1' }));
    const first = await open([proposed()]);
    expect(await rejected()).toEqual([2, 3, 2]);
    expect(await rejected({ callingAet: 'MR1' })).toBe('accepted');
    await first.release();
    await expect.poll(() => rejected()).toBe('accepted');
    expect(node.rejections).toContain('ae-associations-max');
  });

  it('over its rate is slowed and loses nothing, and slows nobody else', async () => {
    node = await MemoryNode.start(knowing({ requestsPerSecondMax: 5 }, { aet: 'MR1' }));
    const files = Array.from({ length: 15 }, (_, index) => ctFile(`1.2.${index}`));
    const ends: string[] = [];
    const sent = async (callingAet: string): Promise<(number | undefined)[]> => {
      const outcomes = await storeFiles({ ...node.to({ callingAet }), files });
      ends.push(callingAet);
      return outcomes.map(({ status }) => status);
    };
    const startedAt = performance.now();
    const statuses = await Promise.all([sent('CT1'), sent('MR1')]);
    // Five at once, ten at 200 ms each.
    expect(performance.now() - startedAt).toBeGreaterThan(1_900);
    expect(ends).toEqual(['MR1', 'CT1']);
    expect(statuses.flat()).toEqual(Array(30).fill(0));
    expect(node.archive.committed).toHaveLength(30);
  });

  it('may store, but not what its entry leaves out; it may always ask whether we are there', async () => {
    node = await MemoryNode.start(knowing({ may: ['store'] }, { aet: 'WS1', may: ['query', 'retrieve'] }));
    const contexts = [proposed(), proposed(verificationSopClassUid)];
    expect((await open(contexts)).contexts).toHaveLength(2);
    const workstation = await open(contexts, { callingAet: 'WS1' });
    expect(workstation.contexts.map(({ abstractSyntaxUid }) => abstractSyntaxUid)).toEqual([verificationSopClassUid]);
    expect(() => workstation.contextFor(ct)).toThrow(/user rejection/);
  });

  it('sends in its own order of transfer syntaxes, others in that of the node', async () => {
    node = await MemoryNode.start({
      ...knowing({ transferSyntaxUids: [jpeg] }, { aet: 'MR1' }),
      CALLOSUM_DIMSE_TRANSFER_SYNTAXES: implicit,
    });
    const taken = async (callingAet: string): Promise<(string | undefined)[]> =>
      (await open([proposed(ct, explicit, implicit, jpeg)], { callingAet })).contexts.map(
        ({ transferSyntaxUid }) => transferSyntaxUid,
      );
    expect([await taken('CT1'), await taken('MR1')]).toEqual([[jpeg], [implicit]]);
  });
});

describe('a user', () => {
  const users = [{ name: 'technician' }];
  it('who is believed is told so where that is asked for; another is rejected 1/1/1, and no log names them', async () => {
    node = await MemoryNode.start({ ...knowing({ users }), CALLOSUM_DIMSE_USER_IDENTITY: 'required' });
    const userIdentity = { username: 'technician', positiveResponseRequested: true };
    expect((await open([proposed()], { userIdentity })).userIdentityResponse).toHaveLength(0);
    expect(await rejected({ userIdentity: { username: 'zoe-unknown' } })).toEqual([1, 1, 1]);
    expect(await rejected({ userIdentity: { username: 'zoe-unknown', passcode: 'geheim' } })).toEqual([1, 1, 1]);
    expect(await rejected()).toEqual([1, 1, 1]);
    expect(node.rejections).toEqual(['user-unknown', 'user-in-clear', 'user-missing']);
    expect(node.logLines.join('')).not.toMatch(/technician|zoe-unknown|geheim/);
  });

  it('is neither looked at nor answered where identities are ignored', async () => {
    node = await MemoryNode.start(knowing({}));
    const userIdentity = { samlAssertion: '<a/>', positiveResponseRequested: true };
    expect((await open([proposed()], { userIdentity })).userIdentityResponse).toBeUndefined();
  });
});

it('an asynchronous window lets objects overlap: all are stored, counted and committed once', async () => {
  node = await MemoryNode.start({ CALLOSUM_DIMSE_OPERATIONS_MAX: '4' });
  node.archive.writeMs = 5;
  const association = await open([proposed()], { operationsWindow: { invoked: 16, performed: 1 } });
  expect(association.operationsWindow).toMatchObject({ invoked: 4 });
  const uids = Array.from({ length: 20 }, (_, index) => `1.2.${index}`);
  expect(await Promise.all(uids.map((uid) => store(association, uid)))).toEqual(Array(20).fill(0));
  await association.release();
  expect(new Set(node.archive.committed.map(({ uids: { sopInstanceUid } }) => sopInstanceUid))).toEqual(new Set(uids));
  const released = (): unknown =>
    node.logLines
      .map((line) => JSON.parse(line) as { msg: string; stored?: number })
      .find(({ msg }) => msg === 'assoc.released')?.stored;
  await expect.poll(released).toBe(20);
});

it('a private SOP class that is set is stored', async () => {
  const privateClass = '1.2.826.0.1.3680043.9.9999.1';
  node = await MemoryNode.start({ CALLOSUM_DIMSE_PRIVATE_SOP_CLASSES: privateClass });
  const association = await open([proposed(privateClass), proposed('1.2.826.0.1.3680043.9.9999.2')]);
  expect(association.contexts.map(({ abstractSyntaxUid }) => abstractSyntaxUid)).toEqual([privateClass]);
});

describe('peers that behave badly', () => {
  const raw = (first?: Buffer): Promise<Socket> =>
    new Promise((resolve) => {
      const socket = connect(node.listener.port, '127.0.0.1', () => {
        if (first) socket.write(first);
        resolve(socket);
      });
      // What nobody reads hides the end.
      socket.on('error', () => undefined).resume();
      sockets.push(socket);
    });

  it('cost others nothing, and are cut off: silence, a request in drops, 4 GB declared, no PDU at all', async () => {
    node = await MemoryNode.start({ CALLOSUM_DIMSE_ARTIM_TIMEOUT_MS: '400', CALLOSUM_DIMSE_ASSOCIATIONS_MAX: '4' });
    const held = [
      ...(await Promise.all(Array.from({ length: 8 }, () => raw()))),
      await raw(Buffer.from([1, 0, 0, 0, 0, 80, 0, 1])),
      await raw(Buffer.from([4, 0, 0xff, 0xff, 0xff, 0xff])),
      await raw(Buffer.from('GET / HTTP/1.1\r\n\r\n')),
    ];
    const drops = setInterval(() => held[8]?.write(Buffer.of(0)), 50);
    const files = Array.from({ length: 5 }, (_, index) => ctFile(`1.2.${index}`, 100_000));
    const outcomes = await storeFiles({ ...node.to(), files });
    expect(outcomes.every(({ stored }) => stored)).toBe(true);
    await expect.poll(() => held.every(({ destroyed }) => destroyed), { timeout: 5_000 }).toBe(true);
    clearInterval(drops);
    expect(await rejected()).toBe('accepted');
  });

  it('who hold associations have only those: one past the limit is told so, and there is room when they are gone', async () => {
    node = await MemoryNode.start({ CALLOSUM_DIMSE_IDLE_TIMEOUT_MS: '1000', CALLOSUM_DIMSE_ASSOCIATIONS_MAX: '2' });
    await open([proposed()]);
    await open([proposed()]);
    expect(await rejected()).toEqual([2, 3, 2]);
    expect(node.rejections).toEqual(['associations-max']);
    await expect.poll(() => rejected(), { timeout: 5_000, interval: 100 }).toBe('accepted');
  });
});
