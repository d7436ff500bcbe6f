import { buffer } from 'node:stream/consumers';

import { type Attributes, datasetOf, encodeDataset, parseFile, RLELossless } from '@callosum/dicom';
import {
  createScpServer,
  type MoveOriginator,
  type ProposedContext,
  type ScpServer,
  ScuAssociation,
  storagePolicy,
  type StoreRequest,
} from '@callosum/dimse';
import { createLogger } from '@callosum/telemetry';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { DicomDestinations } from '../../adapters/dicom-destinations.js';
import { PeerOptions } from '../../adapters/peer-options.js';
import type { ApplicationEntities } from '../../application/ports.js';
import { RetrieveInstances } from '../../application/retrieve-instances.js';
import { SendInstance } from '../../application/send-instance.js';
import { SharedTurns } from '../../application/shared-turns.js';
import {
  at,
  explicitLe,
  image,
  inSyntax,
  MemoryIndex,
  MemoryObjects,
  secondaryCapture,
  video,
} from '../../test-support/query.js';
import { serveServices, type ServedServices } from '../../test-support/serve-services.js';
import { RetrieveService } from './retrieve.service.js';

const [studyRootMove, studyRootGet] = ['1.2.840.10008.5.1.4.1.2.2.2', '1.2.840.10008.5.1.4.1.2.2.3'];
const implicitLe = '1.2.840.10008.1.2';

interface Arrived {
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
  readonly bytes: Buffer;
  readonly originator: MoveOriginator | undefined;
}

let index: MemoryIndex;
let objects: MemoryObjects;
let node: ServedServices;
let destination: ScpServer;
let association: ScuAssociation | undefined;
let logLines: string[];
/** What came to the destination, or by C-GET. */
let arrived: Arrived[];
/** Until it resolves nothing that arrived is answered. */
let held: Promise<void> | undefined;
/** What the destination takes. */
let taken: string;
/** Of the destination. */
let associations: number;

const take = async (request: StoreRequest): Promise<{ status: number }> => {
  const { sopInstanceUid, transferSyntaxUid, moveOriginator: originator } = request;
  arrived.push({ sopInstanceUid, transferSyntaxUid, bytes: await buffer(request.dataset), originator });
  await held;
  return { status: 0 };
};

beforeEach(async () => {
  index = new MemoryIndex();
  objects = new MemoryObjects();
  logLines = [];
  arrived = [];
  held = undefined;
  taken = implicitLe;
  associations = 0;
  const storage = storagePolicy();
  destination = await createScpServer({
    host: '127.0.0.1',
    port: 0,
    onAssociation: () => {
      associations++;
      return {
        handler: { store: take, ended: () => undefined },
        policy: {
          accept: (proposal) => {
            const accepted = storage.accept(proposal);
            return (
              accepted && {
                ...accepted,
                transferSyntaxUid: proposal.transferSyntaxUids.find((uid) => uid === taken),
              }
            );
          },
        },
      };
    },
    onError: () => undefined,
  });
  const ports: Readonly<Record<string, number>> = { DEST: destination.port, AWAY: 1 };
  const entities: Pick<ApplicationEntities, 'callable'> = {
    callable: (aet) => {
      const port = ports[aet];
      return Promise.resolve(port === undefined ? undefined : { aet, host: '127.0.0.1', port });
    },
  };
  const retrieve = new RetrieveInstances(
    index,
    objects,
    new DicomDestinations(new PeerOptions('CALLOSUM'), 5_000),
    new SendInstance(2),
    new SharedTurns(1),
    3,
  );
  const logger = createLogger('dimse-ingest', 'debug', { write: (line: string) => void logLines.push(line) });
  node = await serveServices(new RetrieveService(retrieve, entities, logger));
  objects.files.set('1.1', image('1.1'));
  objects.files.set('1.2', await inSyntax(image('1.2'), RLELossless));
  objects.files.set('1.3', video('1.3'));
  index.instancesOfStudy = { '1.2': [...objects.files].map(([uid, file]) => at(uid, syntaxOf(file))) };
});
afterEach(async () => {
  association?.abort();
  await Promise.all([node.server.close(0), destination.close(0)]);
  expect(node.errors).toEqual([]);
});

const syntaxOf = (file: Uint8Array): string => parseFile(file).fileMeta.transferSyntaxUid;
const proposed = (abstractSyntaxUid: string, ...transferSyntaxUids: string[]): ProposedContext => ({
  abstractSyntaxUid,
  transferSyntaxUids: transferSyntaxUids.length > 0 ? transferSyntaxUids : [explicitLe],
});
async function open(...contexts: ProposedContext[]): Promise<ScuAssociation> {
  const to = { host: '127.0.0.1', port: node.port, calledAet: 'CALLOSUM', callingAet: 'VIEWER' };
  return (association = await ScuAssociation.open(to, contexts));
}
const identifierOf = (attributes: Attributes): Buffer =>
  Buffer.from(encodeDataset(datasetOf(attributes), { transferSyntaxUid: explicitLe }).bytes);
const study = identifierOf({ QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '1.2' });
const datasetIn = (file: Uint8Array | undefined): Buffer =>
  Buffer.from(file ?? []).subarray(file ? parseFile(file).datasetOffset : 0);

describe('a C-MOVE', () => {
  const move = async (to: string, identifier = study) => {
    const scu = await open(proposed(studyRootMove));
    return scu.move(scu.contextFor(studyRootMove), to, identifier);
  };

  it('gives a peer of Implicit VR what can be given so, and says who asked', async () => {
    const outcome = await move('DEST');
    expect(outcome).toMatchObject({
      status: 0xb000,
      counts: { remaining: 0, completed: 2, failed: 1, warning: 0 },
      failedSopInstanceUids: ['1.3'],
    });
    expect(arrived.map(({ sopInstanceUid, transferSyntaxUid }) => [sopInstanceUid, transferSyntaxUid])).toEqual([
      ['1.1', implicitLe],
      ['1.2', implicitLe],
    ]);
    expect(arrived[0]?.originator?.aet).toBe('VIEWER');
    for (const { sopInstanceUid, bytes } of arrived)
      expect(bytes.equals(datasetIn(await inSyntax(image(sopInstanceUid), implicitLe)))).toBe(true);
    const [line] = logLines.map((text) => JSON.parse(text) as Record<string, unknown>);
    expect(line).toMatchObject({ msg: 'retrieve.incomplete', destination: 'DEST', failed: 1 });
    expect(logLines.join()).not.toContain('SECRET');
  });

  it('of more instances than are listed at once is refused, with what to do', async () => {
    const instances = index.instancesOfStudy['1.2'] ?? [];
    index.instancesOfStudy = { '1.2': [...instances, at('1.4')] };
    expect(await move('DEST')).toMatchObject({
      status: 0xa701,
      comment: 'more than 3 instances: retrieve less at once',
    });
    expect(arrived).toEqual([]);
  });

  it('sends an object again whose bytes were cut in the middle, over a fresh association', async () => {
    taken = explicitLe;
    const whole = image('1.1', { rows: 1_024 });
    objects.files.set('1.1', whole);
    index.instancesOfStudy = { '1.2': [at('1.1'), at('1.4')] };
    objects.files.set('1.4', image('1.4'));
    objects.cutOnce.add('1.1');
    expect(await move('DEST')).toMatchObject({ status: 0, counts: { completed: 2, failed: 0 } });
    const got = arrived.find(({ sopInstanceUid }) => sopInstanceUid === '1.1');
    expect(got?.bytes.equals(datasetIn(whole))).toBe(true);
    expect(associations).toBe(2);
  });

  it('to a destination that is away fails every instance', async () => {
    const outcome = await move('AWAY');
    expect(outcome).toMatchObject({ status: 0xa702, counts: { completed: 0, failed: 3 } });
    expect(outcome.comment).toBe('dimse.peer-unreachable');
    expect(outcome.failedSopInstanceUids).toEqual(['1.1', '1.2', '1.3']);
  });

  it('to one that nobody knows is refused; so is one of nothing', async () => {
    for (const to of ['NOBODY', 'dest']) expect((await move(to)).status).toBe(0xa801);
    const nothing = identifierOf({ QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '' });
    expect(await move('DEST', nothing)).toMatchObject({ status: 0xa900, offendingElements: [0x0020000d] });
    expect(arrived).toEqual([]);
  });

  it('whose requestor goes away ends, and makes room for the next', async () => {
    const gate = Promise.withResolvers<undefined>();
    held = gate.promise;
    const scu = await open(proposed(studyRootMove));
    const moving = scu.move(scu.contextFor(studyRootMove), 'DEST', study).catch(() => undefined);
    await expect.poll(() => arrived.length).toBe(1);
    // One at a time is all there may be here.
    expect(await move('DEST')).toMatchObject({ status: 0xa702, comment: 'dimse-ingest.too-many-retrieves' });
    scu.abort();
    await moving;
    gate.resolve(undefined);
    await expect.poll(async () => (await move('DEST')).status).toBe(0xb000);
    expect(arrived.map(({ sopInstanceUid }) => sopInstanceUid)).toEqual(['1.1', '1.1', '1.2']);
  });

  it('of a study that is not there is a success without sub-operations', async () => {
    const outcome = await move('DEST', identifierOf({ QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '9.9' }));
    expect(outcome).toMatchObject({ status: 0, counts: { completed: 0, failed: 0 } });
  });
});

describe('a C-GET', () => {
  const asProvider = (...syntaxes: string[]): ProposedContext => ({
    ...proposed(secondaryCapture, ...syntaxes),
    roles: { scu: false, scp: true },
  });
  const get = async (...contexts: ProposedContext[]) => {
    const scu = await open(proposed(studyRootGet), ...contexts);
    return scu.get(scu.contextFor(studyRootGet), study, { store: take });
  };

  it('sends over the association that asks, as stored where that is agreed on', async () => {
    expect(await get(asProvider(explicitLe), asProvider(RLELossless))).toMatchObject({
      status: 0xb000,
      counts: { completed: 2, failed: 1 },
      failedSopInstanceUids: ['1.3'],
    });
    expect(arrived.map(({ transferSyntaxUid }) => transferSyntaxUid)).toEqual([explicitLe, RLELossless]);
    for (const { sopInstanceUid, bytes } of arrived)
      expect(bytes.equals(datasetIn(objects.files.get(sopInstanceUid)))).toBe(true);
  });

  it('without a context, or without the role, fails what needs it', async () => {
    expect(await get()).toMatchObject({ status: 0xa702, counts: { completed: 0, failed: 3 } });
    expect(await get(proposed(secondaryCapture))).toMatchObject({ status: 0xa702, counts: { failed: 3 } });
    expect(arrived).toEqual([]);
  });

  it('is cancelled between two instances', async () => {
    const scu = await open(proposed(studyRootGet), asProvider(explicitLe));
    const cancel = new AbortController();
    const outcome = await scu.get(scu.contextFor(studyRootGet), study, {
      signal: cancel.signal,
      store: async (request) => {
        const answer = await take(request);
        cancel.abort();
        await new Promise((resolve) => setTimeout(resolve, 100));
        return answer;
      },
    });
    expect(outcome).toMatchObject({ status: 0xfe00, counts: { remaining: 2, completed: 1 } });
  });
});
