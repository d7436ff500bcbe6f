import {
  type Attributes,
  datasetOf,
  encodeDataset,
  serviceSopClassName,
  serviceSopClassUids,
  storageSopClasses,
  transferSyntaxes,
} from '@callosum/dicom';
import {
  type Answer,
  chooseMessageSyntax,
  DimseStatusError,
  isStorableTransferSyntax,
  type ProposedContext,
  ScuAssociation,
  statusText,
} from '@callosum/dimse';
import { orSkip } from '@callosum/testing';
import { afterAll, describe, expect, it } from 'vitest';

import { startWatchedNode, type WatchedNode } from '../test-support/watched-node.js';
import { type StatedService, statedServices, statedStatuses, type StatusTable } from './index.js';

const started = await orSkip(() => startWatchedNode());
afterAll(() => started.server?.stop());

const implicitVrLittleEndian = '1.2.840.10008.1.2';
const ctImageStorage = '1.2.840.10008.5.1.4.1.1.2';

describe.skipIf(started.missing !== undefined)('the running node', () => {
  const node = started.server as WatchedNode;

  /** What it accepts of these, asked in as many associations as they need. */
  async function accepted(proposals: readonly ProposedContext[]): Promise<{ uid: string; transferSyntax: string }[]> {
    const found: { uid: string; transferSyntax: string }[] = [];
    for (let from = 0; from < proposals.length; from += 128) {
      const association = await ScuAssociation.open(node.to(), proposals.slice(from, from + 128));
      for (const { abstractSyntaxUid: uid, transferSyntaxUid: transferSyntax } of association.contexts)
        found.push({ uid, transferSyntax });
      await association.release();
    }
    return found;
  }
  const of = (abstractSyntaxUid: string, ...transferSyntaxUids: string[]): ProposedContext => ({
    abstractSyntaxUid,
    transferSyntaxUids,
  });

  it('serves the SOP classes its conformance statement says, each by its name, and no other we know', async () => {
    const stated = statedServices.filter(({ scp }) => scp).flatMap(({ sopClassUids }) => sopClassUids);
    expect(stated.filter((uid) => serviceSopClassName(uid) === undefined)).toEqual([]);
    const asked = serviceSopClassUids.map((uid) => of(uid, implicitVrLittleEndian));
    expect((await accepted(asked)).map(({ uid }) => uid).sort()).toEqual([...stated].sort());
  });

  it('stores every Storage SOP class it states', async () => {
    const asked = storageSopClasses.map(({ uid }) => of(uid, implicitVrLittleEndian));
    expect(await accepted(asked)).toHaveLength(storageSopClasses.length);
  });

  it('takes objects in every transfer syntax it states, and prefers as it states', async () => {
    const stated = [...transferSyntaxes.keys()].filter(isStorableTransferSyntax);
    const taken = await accepted(stated.map((uid) => of(ctImageStorage, uid)));
    expect(taken.map(({ transferSyntax }) => transferSyntax)).toEqual(stated);
    const [one] = await accepted([
      of(ctImageStorage, '1.2.840.10008.1.2.2', implicitVrLittleEndian, '1.2.840.10008.1.2.1'),
    ]);
    expect(one?.transferSyntax).toBe('1.2.840.10008.1.2.1');
  });

  it('takes the roles and answers the extended negotiation it states', async () => {
    const everything = Uint8Array.from({ length: 16 }, () => 1);
    const asked = (uid: string): ProposedContext => ({
      ...of(uid, implicitVrLittleEndian),
      roles: { scu: true, scp: true },
      extendedNegotiation: everything,
    });
    for (const { name, sopClassUids, requestorProvides, extended } of statedServices) {
      for (const uid of sopClassUids.length > 0 ? sopClassUids : [ctImageStorage]) {
        const association = await ScuAssociation.open(node.to(), [asked(uid)]);
        const [context] = association.contexts;
        const [answer] = association.extendedNegotiation;
        await association.release();
        expect([name, context?.weAre.scp, answer && [...answer.information]]).toEqual([
          name,
          requestorProvides !== undefined,
          extended && [...extended],
        ]);
      }
    }
  });

  it('answers in the syntaxes of messages it states', async () => {
    const [find] = statedServices.flatMap(({ id, sopClassUids }) => (id === 'find' ? sopClassUids : []));
    const syntaxes = [...transferSyntaxes.keys()];
    const taken = await accepted(syntaxes.map((uid) => of(find ?? '', uid)));
    expect(taken.map(({ transferSyntax }) => transferSyntax)).toEqual(
      syntaxes.filter((uid) => chooseMessageSyntax([uid])),
    );
  });

  it('sends the statuses it states, and each is in the table of its service', async () => {
    const association = await ScuAssociation.open(node.to(), [
      ...statedServices.flatMap(({ sopClassUids }) => sopClassUids.map((uid) => of(uid, implicitVrLittleEndian))),
      of(ctImageStorage, implicitVrLittleEndian),
    ]);
    // The last one is of the Study Root, where there are two.
    const contextOf = (id: StatedService['id']): number =>
      association.contextFor(statedServices.find((service) => service.id === id)?.sopClassUids.at(-1) ?? '');
    const ct = association.contextFor(ctImageStorage);
    const identifier = (attributes: Attributes): Buffer =>
      Buffer.from(encodeDataset(datasetOf(attributes), { transferSyntaxUid: implicitVrLittleEndian }).bytes);
    const unreadable = Buffer.from([8, 0, 0x52, 0, 255, 255, 255, 15]);
    const level = { QueryRetrieveLevel: 'STUDY' };
    const study = { ...level, StudyInstanceUID: '1.2.3' };
    const ctObject = (sopInstanceUid: string): Buffer =>
      identifier({
        SOPClassUID: ctImageStorage,
        SOPInstanceUID: sopInstanceUid,
        StudyInstanceUID: '1.2.3',
        SeriesInstanceUID: '1.2.4',
      });
    const store = (uid: string, dataset: Buffer, sopClassUid = ctImageStorage): Promise<Answer> =>
      association.store(ct, sopClassUid, uid, () => once(dataset));
    const find = (id: StatedService['id'], asked: Buffer): Promise<Answer> =>
      finalOf(association.find(contextOf(id), asked));
    const report = (transaction: string): Buffer => identifier({ TransactionUID: transaction });
    const pushModel = '1.2.840.10008.1.20.1.1';
    const action = (type: number, sopInstanceUid: string, dataset: Buffer): Promise<Answer> =>
      association.nAction(contextOf('commitment'), type, { sopInstanceUid, dataset });
    const event = (type: number, dataset: Buffer, sopInstanceUid = pushModel): Promise<Answer> =>
      association.nEventReport(contextOf('commitment'), type, { sopInstanceUid, dataset });

    const list = identifier({ PatientID: '1' });
    const asked: [table: StatusTable, status: number, answer: () => Promise<Answer>][] = [
      ['echo', 0x0000, () => association.echo(contextOf('echo'))],
      ['store', 0x0000, () => store('1.2.5', ctObject('1.2.5'))],
      ['store', 0x0122, () => store('1.2.5', ctObject('1.2.5'), '1.2.840.10008.5.1.4.1.1.4')],
      ['store', 0xa900, () => store('1.2.6', ctObject('1.2.5'))],
      ['store', 0xc000, () => store('1.2.5', unreadable)],
      ['find', 0xa900, () => find('find', identifier({ PatientID: '1' }))],
      ['find', 0xc000, () => find('find', unreadable)],
      ['find', 0xa700, () => find('find', identifier(study))],
      ['worklist', 0xa900, () => find('worklist', unreadable)],
      ['move', 0xa801, () => association.move(contextOf('move'), 'NOBODY', identifier(study))],
      ['move', 0xa900, () => association.move(contextOf('move'), 'NOBODY', identifier(level))],
      ['get', 0xa701, () => association.get(contextOf('get'), identifier(study))],
      ['get', 0xc000, () => association.get(contextOf('get'), unreadable)],
      ['step', 0x0120, () => association.nCreate(contextOf('step'), { sopInstanceUid: '1.2.7', dataset: list })],
      ['step', 0x0117, () => association.nCreate(contextOf('step'), { sopInstanceUid: '1.x', dataset: list })],
      ['step', 0x0112, () => association.nSet(contextOf('step'), { sopInstanceUid: '1.2.7', dataset: list })],
      ['step-retrieve', 0x0112, () => association.nGet(contextOf('step-retrieve'), [], { sopInstanceUid: '1.2.7' })],
      ['any', 0x0211, () => association.nGet(contextOf('step'), [], { sopInstanceUid: '1.2.7' })],
      ['commitment', 0x0112, () => action(1, '1.2.8', report('1.2.9'))],
      ['commitment', 0x0123, () => action(2, pushModel, report('1.2.9'))],
      ['commitment', 0x0115, () => action(1, pushModel, report('1.2.9'))],
      ['commitment-report', 0x0113, () => event(3, report('1.2.9'))],
      ['commitment-report', 0x0115, () => event(1, report('1.2.9'))],
      ['commitment-report', 0x0112, () => event(1, report('1.2.9'), '1.2.8')],
    ];
    for (const [table, status, ask] of asked) {
      const answer = await ask();
      expect(`${table} ${statusText(answer.status)}`).toBe(`${table} ${statusText(status)}`);
      expect(statedStatuses[table].map((line) => line.status)).toContain(answer.status);
    }
    await association.release();
  });
});

/** The final answer of a C-FIND, also of one that fails. */
async function finalOf(matches: AsyncGenerator<unknown, Answer>): Promise<Answer> {
  try {
    for (;;) {
      const next = await matches.next();
      if (next.done) return next.value;
    }
  } catch (error) {
    if (error instanceof DimseStatusError) return error;
    throw error;
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield await Promise.resolve(bytes);
}
