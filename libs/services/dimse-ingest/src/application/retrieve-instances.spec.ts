import { parseDataset, parseFile, RLELossless } from '@callosum/dicom';
import { PeerUnreachableError, type SubOperationCounts, type SubOperationSender } from '@callosum/dimse';
import { beforeEach, describe, expect, it } from 'vitest';

import { TooManyInstancesError, TooManyRetrievesError } from '../domain/query-errors.js';
import type { RetrieveIdentifier } from '../domain/query-model.js';
import type { SubOperations } from '../domain/sub-operations.js';
import {
  aborted,
  at,
  explicitLe,
  image,
  inSyntax,
  MemoryDestination,
  MemoryIndex,
  MemoryObjects,
  video,
} from '../test-support/query.js';
import { RetrieveInstances } from './retrieve-instances.js';
import { SendInstance } from './send-instance.js';
import { SharedTurns } from './shared-turns.js';

const study: RetrieveIdentifier = {
  level: 'STUDY',
  studyInstanceUids: ['1.2'],
  seriesInstanceUids: [],
  sopInstanceUids: [],
};
const entity = { aet: 'DEST', host: '127.0.0.1', port: 104 };

let index: MemoryIndex;
let objects: MemoryObjects;
let destination: MemoryDestination;
let retrieve: RetrieveInstances;
beforeEach(() => {
  index = new MemoryIndex();
  objects = new MemoryObjects();
  destination = new MemoryDestination();
  retrieve = new RetrieveInstances(index, objects, destination, new SendInstance(2), new SharedTurns(1), 4);
});

/** Keeps objects of the study under these UIDs, in the archive and the index. */
function keep(files: Readonly<Record<string, Uint8Array>>): void {
  for (const [uid, file] of Object.entries(files)) objects.files.set(uid, file);
  index.instancesOfStudy = {
    '1.2': Object.entries(files).map(([uid, file]) => at(uid, parseFile(file).fileMeta.transferSyntaxUid)),
  };
}
const keepImages = (...uids: string[]): void => keep(Object.fromEntries(uids.map((uid) => [uid, image(uid)])));

async function ended(
  progress: AsyncGenerator<SubOperationCounts, SubOperations>,
): Promise<{ operations: SubOperations; told: SubOperationCounts[] }> {
  const told: SubOperationCounts[] = [];
  for (;;) {
    const next = await progress.next();
    if (next.done) return { operations: next.value, told };
    told.push(next.value);
  }
}
const move = (signal = new AbortController().signal) =>
  ended(retrieve.move(study, entity, { aet: 'VIEWER', messageId: 7 }, signal));
const sent = (): string[] => destination.stored.map(({ sopInstanceUid }) => sopInstanceUid);

describe('a C-MOVE', () => {
  it('sends the stored bytes over one association, and counts', async () => {
    keepImages('1.1', '1.2', '1.3');
    destination.answer = ({ sopInstanceUid }) => {
      if (sopInstanceUid === '1.2') return { status: 0xa700 };
      return sopInstanceUid === '1.3' ? { status: 0xb000 } : undefined;
    };
    const { operations, told } = await move();
    expect(told[0]).toEqual({ remaining: 3, completed: 0, failed: 0, warning: 0 });
    expect(operations.counts).toEqual({ remaining: 0, completed: 1, failed: 1, warning: 1 });
    expect(operations.failedSopInstanceUids).toEqual(['1.2']);
    expect(operations.firstFailure).toBe('status A700');
    const [one] = destination.stored;
    const file = image('1.1');
    expect(one?.bytes.equals(file.subarray(parseFile(file).datasetOffset))).toBe(true);
    expect([destination.opened, destination.released]).toEqual([1, 1]);
  });

  it('tells of an object that takes long while it is sent', async () => {
    keepImages('1.1');
    let done: (() => void) | undefined;
    destination.answer = () => new Promise((resolve) => (done = () => resolve(undefined)));
    const progress = retrieve.move(study, entity, { aet: 'VIEWER', messageId: 7 }, new AbortController().signal);
    for (let time = 0; time < 3; time++)
      expect((await progress.next()).value).toEqual({ remaining: 1, completed: 0, failed: 0, warning: 0 });
    done?.();
    expect((await ended(progress)).operations.counts.completed).toBe(1);
  });

  it('fails whole when its destination is away, without calling it for each', async () => {
    keepImages('1.1', '1.2', '1.3');
    destination.away = new PeerUnreachableError('away');
    const { operations } = await move();
    expect(operations.counts).toEqual({ remaining: 0, completed: 0, failed: 3, warning: 0 });
    expect(operations.firstFailure).toBe('dimse.peer-unreachable');
    expect(destination.opened).toBe(1);
    expect(objects.opened.size).toBe(0);
  });

  it('goes on over a fresh association when one breaks, and gives up when each does', async () => {
    keepImages('1.1', '1.2', '1.3');
    let broken = 0;
    destination.answer = ({ sopInstanceUid }) => {
      if (sopInstanceUid === '1.2' && ++broken === 1) throw aborted();
      return undefined;
    };
    expect((await move()).operations.counts).toMatchObject({ completed: 3, failed: 0 });
    expect(sent()).toEqual(['1.1', '1.2', '1.3']);
    expect(destination.opened).toBe(2);
    destination.answer = () => Promise.reject(aborted());
    expect((await move()).operations.counts).toMatchObject({ completed: 0, failed: 3 });
    expect(destination.opened).toBe(2 + 3);
  });

  it('stops when it is cancelled: what was not sent remains', async () => {
    keepImages('1.1', '1.2', '1.3');
    const cancel = new AbortController();
    destination.answer = ({ sopInstanceUid }) => void (sopInstanceUid === '1.2' && cancel.abort());
    const { operations } = await move(cancel.signal);
    expect(operations.counts).toEqual({ remaining: 1, completed: 2, failed: 0, warning: 0 });
    expect([sent(), destination.released]).toEqual([['1.1', '1.2'], 1]);
  });

  it('is refused when as many run as may', async () => {
    keepImages('1.1');
    const first = retrieve.move(study, entity, { aet: 'VIEWER', messageId: 7 }, new AbortController().signal);
    await first.next();
    await expect(move()).rejects.toBeInstanceOf(TooManyRetrievesError);
    await ended(first);
    expect((await move()).operations.counts.completed).toBe(1);
  });

  it('of more instances than are listed at once is refused before anything is sent', async () => {
    keepImages('1.1', '1.2', '1.3', '1.4');
    expect((await move()).operations.counts.completed).toBe(4);
    keepImages('1.1', '1.2', '1.3', '1.4', '1.5');
    await expect(move()).rejects.toBeInstanceOf(TooManyInstancesError);
    expect(sent()).toHaveLength(4);
  });
});

describe('an object the peer does not take as it is stored', () => {
  it('is transcoded without loss; one in a syntax nobody decodes fails alone', async () => {
    const encoded = await inSyntax(image('1.1', { frames: 2 }), RLELossless);
    keep({ '1.1': encoded, '1.2': video('1.2'), '1.3': image('1.3') });
    const { operations } = await move();
    expect(operations.failedSopInstanceUids).toEqual(['1.2']);
    expect(sent()).toEqual(['1.1', '1.3']);
    const pixels = (file: Uint8Array) => Buffer.from(parseFile(file).dataset.bytes('PixelData') ?? []);
    const [one] = destination.stored;
    const got = parseDataset(one?.bytes ?? Buffer.alloc(0), explicitLe).dataset.bytes('PixelData');
    expect(Buffer.from(got ?? []).equals(pixels(image('1.1', { frames: 2 })))).toBe(true);
    expect(destination.opened).toBe(1);
  });

  it.each([
    ['that is held', { rows: 64, frames: 4 }],
    ['too large to be held', { rows: 1_024, frames: 5 }],
  ])('%s is never sent in part when its last frame is broken, and the others go on', async (_, size) => {
    const whole = await inSyntax(image('1.1', size), RLELossless);
    keep({ '1.1': lastFrameBroken(whole), '1.2': await inSyntax(image('1.2', size), RLELossless) });
    const begun: string[] = [];
    destination.answer = ({ sopInstanceUid }) => void begun.push(sopInstanceUid);
    const { operations } = await move();
    expect(operations.failedSopInstanceUids).toEqual(['1.1']);
    expect(operations.firstFailure).toBe('dicom.pixel-data-broken');
    expect([begun, destination.opened]).toEqual([['1.2'], 1]);
    const got = parseDataset(destination.stored[0]?.bytes ?? Buffer.alloc(0), explicitLe).dataset.bytes('PixelData');
    expect(got?.length).toBe(size.rows * size.rows * 2 * size.frames);
  });
});

describe('a peer that stops reading', () => {
  it.each([
    ['many frames', 1, { rows: 1_024, frames: 5 }],
    ['a large frame', 2, { rows: 2_304, frames: 1 }],
  ])('in a transcoded object of %s stops no other AE', async (_, transcodingsMax, size) => {
    keep({ '1.1': await inSyntax(image('1.1', size), RLELossless) });
    const send = new SendInstance(transcodingsMax);
    retrieve = new RetrieveInstances(index, objects, destination, send, new SharedTurns(8), 4);
    let goOn: () => void = () => undefined;
    const stopped = new Promise<void>((resolve) => (goOn = resolve));
    let begun = 0;
    const slow: SubOperationSender = {
      transferSyntaxesFor: () => [explicitLe],
      async store({ dataset }) {
        for await (const chunk of dataset(65_536)) {
          if (chunk.length > 0 && ++begun <= 2) await stopped;
        }
        return { status: 0 };
      },
    };
    const never = new AbortController().signal;
    const theirs = [1, 2].map(() => ended(retrieve.get(study, slow, 'SLOW', never)));
    await expect.poll(() => begun).toBeGreaterThan(0);
    const { operations } = await ended(retrieve.get(study, destination.sender, 'OTHER', never));
    expect(operations.counts).toMatchObject({ completed: 1, failed: 0 });
    goOn();
    for (const one of await Promise.all(theirs)) expect(one.operations.counts.completed).toBe(1);
  });
});

/** Its last frame says that its segments lie past its end. */
function lastFrameBroken(file: Buffer): Buffer {
  const broken = Buffer.from(file);
  const fragments = parseFile(broken).dataset.element('PixelData')?.fragments ?? [];
  broken.writeUInt32LE(0xffff_fff0, (fragments.at(-1)?.offset ?? 0) + 4);
  return broken;
}

describe('what is retrieved', () => {
  const located = (): unknown => index.located;

  it('is asked of the index by study, series and instance as closely as it goes', async () => {
    keepImages('1.1', '1.2', '1.3');
    const cut = { ...study, level: 'IMAGE' as const, seriesInstanceUids: ['1.2.1'] };
    const some = async (sopInstanceUids: string[]) => {
      const signal = new AbortController().signal;
      await ended(retrieve.move({ ...cut, sopInstanceUids }, entity, { aet: 'VIEWER', messageId: 7 }, signal));
    };
    await some(['1.2']);
    await some(['1.1', '1.3', '9.9']);
    expect(sent()).toEqual(['1.2', '1.1', '1.3']);
    expect(located()).toEqual([
      { studyInstanceUid: '1.2', seriesInstanceUid: '1.2.1', sopInstanceUid: '1.2' },
      { studyInstanceUid: '1.2', seriesInstanceUid: '1.2.1' },
    ]);
  });

  it('is looked for once for each study, however long the lists are', async () => {
    const many = (root: string): string[] => Array.from({ length: 5_000 }, (_, i) => `1.2.${root}.${i}`);
    const selection: RetrieveIdentifier = {
      level: 'SERIES',
      studyInstanceUids: many('3'),
      seriesInstanceUids: many('4'),
      sopInstanceUids: [],
    };
    const began = performance.now();
    const progress = retrieve.move(selection, entity, { aet: 'VIEWER', messageId: 7 }, new AbortController().signal);
    expect((await ended(progress)).operations.total).toBe(0);
    expect(index.located).toHaveLength(5_000);
    // In proportion to both lists this is 25 million steps, and as many entries held.
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  it("is only the patient's, and without a study is looked for in the index", async () => {
    keepImages('1.1');
    const uid = (tag: string, value: string) => ({ [tag]: { vr: 'UI', Value: [value] } });
    const signal = new AbortController().signal;
    const run = (selection: RetrieveIdentifier) =>
      ended(retrieve.move(selection, entity, { aet: 'VIEWER', messageId: 7 }, signal));
    // Not that patient's study.
    expect((await run({ ...study, patientId: 'OTHER' })).operations.total).toBe(0);
    index.answer = async function* () {
      const dataset = { ...uid('0020000D', '1.2'), ...uid('0020000E', '1.2.1'), ...uid('00080018', '1.1') };
      yield await Promise.resolve({ dataset, unsupportedKeys: [] });
    };
    expect((await run({ ...study, patientId: 'P1' })).operations.total).toBe(1);
    const ofPatient = { ...study, level: 'PATIENT' as const, studyInstanceUids: [], patientId: 'P1' };
    expect((await run(ofPatient)).operations.total).toBe(1);
    const relational = { ...study, level: 'IMAGE' as const, studyInstanceUids: [], sopInstanceUids: ['1.1'] };
    expect((await run(relational)).operations.total).toBe(1);
    expect(index.searches.map(({ level, keys }) => [level, keys.map(({ value }) => value)])).toEqual([
      ['STUDY', ['OTHER', '1.2']],
      ['STUDY', ['P1', '1.2']],
      ['STUDY', ['P1', '', '']],
      ['IMAGE', ['1.1']],
    ]);
  });

  it("is one person's: a Patient ID of two issuers needs the issuer", async () => {
    keepImages('1.1');
    const answers = (...issuers: string[]): void => {
      index.answer = async function* () {
        for (const issuer of issuers) {
          const dataset = {
            '0020000D': { vr: 'UI', Value: ['1.2'] },
            ...(issuer === '' ? {} : { '00100021': { vr: 'LO', Value: [issuer] } }),
          };
          yield await Promise.resolve({ dataset, unsupportedKeys: [] });
        }
      };
    };
    const patient = { ...study, level: 'PATIENT' as const, studyInstanceUids: [], patientId: 'P1' };
    const run = (selection: RetrieveIdentifier) =>
      ended(retrieve.move(selection, entity, { aet: 'VIEWER', messageId: 7 }, new AbortController().signal));
    answers('A', 'B');
    await expect(run(patient)).rejects.toMatchObject({ code: 'dimse-ingest.identifier', tags: ['00100021'] });
    expect(sent()).toEqual([]);
    answers('A', '');
    expect((await run(patient)).operations.counts.completed).toBe(2);
    answers('A', 'A');
    expect((await run({ ...patient, issuerOfPatientId: 'A' })).operations.counts.completed).toBe(2);
  });
});
