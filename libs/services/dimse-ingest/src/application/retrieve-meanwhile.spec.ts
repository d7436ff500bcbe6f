import { parseFile } from '@callosum/dicom';
import type { SubOperationCounts } from '@callosum/dimse';
import { beforeEach, describe, expect, it } from 'vitest';

import type { SubOperations } from '../domain/sub-operations.js';
import type { RetrieveIdentifier } from '../domain/query-model.js';
import { at, explicitLe, image, MemoryDestination, MemoryIndex, MemoryObjects } from '../test-support/query.js';
import { RetrieveInstances } from './retrieve-instances.js';
import { SendInstance } from './send-instance.js';
import { SharedTurns } from './shared-turns.js';

const study: RetrieveIdentifier = {
  level: 'STUDY',
  studyInstanceUids: ['1.2'],
  seriesInstanceUids: [],
  sopInstanceUids: [],
};
/** No class the destination takes. */
const refusedClass = '1.2.840.10008.5.1.4.1.1.2';

let index: MemoryIndex;
let objects: MemoryObjects;
let destination: MemoryDestination;
let retrieve: RetrieveInstances;
beforeEach(() => {
  index = new MemoryIndex();
  objects = new MemoryObjects();
  destination = new MemoryDestination();
  retrieve = new RetrieveInstances(index, objects, destination, new SendInstance(2), new SharedTurns(1), 250);
});

function keepImages(...uids: string[]): void {
  for (const uid of uids) objects.files.set(uid, image(uid));
  index.instancesOfStudy = { '1.2': uids.map((uid) => at(uid)) };
}
async function ended(
  progress: AsyncGenerator<SubOperationCounts, SubOperations>,
): Promise<{ operations: SubOperations }> {
  for (;;) {
    const next = await progress.next();
    if (next.done) return { operations: next.value };
  }
}
const move = (signal = new AbortController().signal) =>
  ended(retrieve.move(study, { aet: 'DEST', host: '127.0.0.1', port: 104 }, { aet: 'VIEWER', messageId: 7 }, signal));
const sent = (): string[] => destination.stored.map(({ sopInstanceUid }) => sopInstanceUid);

describe('what is opened ahead of its turn', () => {
  it('opens the next object while one is sent, and lets go of what is not read', async () => {
    keepImages('1.1', '1.2', '1.3');
    const cancel = new AbortController();
    const opened: string[][] = [];
    destination.answer = ({ sopInstanceUid }) => {
      opened.push([...objects.opened.keys()]);
      if (sopInstanceUid === '1.2') cancel.abort();
      return undefined;
    };
    await move(cancel.signal);
    expect(opened).toEqual([
      ['1.1', '1.2'],
      ['1.1', '1.2', '1.3'],
    ]);
    await expect.poll(() => [...objects.opened.values()].every((stream) => stream.destroyed)).toBe(true);
  });

  it('does not keep open what was opened ahead and then not taken', async () => {
    keepImages('1.1', '1.2', '1.3', '1.4');
    index.instancesOfStudy = {
      '1.2': (index.instancesOfStudy['1.2'] ?? []).map((one) =>
        one.sopInstanceUid === '1.2' ? { ...one, sopClassUid: refusedClass } : one,
      ),
    };
    destination.takesOf = (sopClassUid) => (sopClassUid === refusedClass ? [] : [explicitLe]);
    let released = false;
    destination.answer = async ({ sopInstanceUid }) => {
      if (sopInstanceUid !== '1.3') return undefined;
      await new Promise(setImmediate);
      released = objects.opened.get('1.2')?.destroyed ?? false;
      return undefined;
    };
    // As a C-GET is: over one association, in the order of the index.
    const { sender } = destination;
    const { operations } = await ended(retrieve.get(study, sender, 'VIEWER', new AbortController().signal));
    expect(operations.failedSopInstanceUids).toEqual(['1.2']);
    expect([sent(), released]).toEqual([['1.1', '1.3', '1.4'], true]);
  });

  it('opens anew what broke while it was ahead, which ends nothing', async () => {
    keepImages('1.1', '1.2');
    destination.answer = async ({ sopInstanceUid }) => {
      if (sopInstanceUid !== '1.1') return undefined;
      objects.opened.get('1.2')?.destroy(new Error('the connection was lost'));
      await new Promise(setImmediate);
      return undefined;
    };
    expect((await move()).operations.counts).toMatchObject({ completed: 2, failed: 0 });
    expect(sent()).toEqual(['1.1', '1.2']);
  });
});

describe('while a retrieve runs, it', () => {
  it('sends nothing of what is hidden while it runs, and what is corrected as it is then', async () => {
    keepImages('1.1', '1.2', '1.3', '1.4');
    const corrected = image('1.4', { more: { PatientID: 'ANOTHER' } });
    objects.files.set('1.4 corrected', corrected);
    destination.answer = ({ sopInstanceUid }) => {
      if (sopInstanceUid !== '1.1') return undefined;
      index.hidden.add('1.3');
      index.corrected.set('1.4', { ...at('1.4'), blobKey: '1.4 corrected' });
      // The peer takes its time: what was known of the rest is old then.
      return new Promise((resolve) => setTimeout(() => resolve(undefined), 2_100));
    };
    const { operations } = await move();
    expect(operations.counts).toEqual({ remaining: 0, completed: 3, failed: 1, warning: 0 });
    expect(operations.failedSopInstanceUids).toEqual(['1.3']);
    expect(operations.firstFailure).toBe('dimse-ingest.hidden-meanwhile');
    expect(sent()).toEqual(['1.1', '1.2', '1.4']);
    expect(destination.stored[2]?.bytes.equals(corrected.subarray(parseFile(corrected).datasetOffset))).toBe(true);
  });

  it('asks the archive again for some hundred at a time, in the order in which they are sent', async () => {
    const uids = Array.from({ length: 250 }, (_, number) => `1.${number + 1}`);
    keepImages(...uids);
    destination.answer = ({ sopInstanceUid }) => void (sopInstanceUid === '1.40' && index.hidden.add('1.150'));
    const { operations } = await move();
    expect(operations.counts).toMatchObject({ completed: 249, failed: 1 });
    expect(operations.failedSopInstanceUids).toEqual(['1.150']);
    expect(sent()).toEqual(uids.filter((uid) => uid !== '1.150'));
    // The last of a hundred is asked for with those behind it, so that the next can be opened ahead.
    expect(index.askedAgain).toEqual([100, 100, 52]);
  });
});
