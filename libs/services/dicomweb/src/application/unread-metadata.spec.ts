import { ByteBudget } from '@callosum/archive';
import { datasetOf, dicomJsonText, parseFile, toDicomJson, writeFile } from '@callosum/dicom';
import { deflatePiece } from '@callosum/gzip';
import { describe, expect, it } from 'vitest';

import { Blob, memoryOf } from '../test-support/kept.js';
import type { StudyIndexReader } from './ports/index.js';
import type { RetrieveMemory } from './ports/memory.js';
import { isLong, ReadMetadata } from './read-metadata.js';
import { Retrieves } from './retrieves.js';

const mebibyte = 1024 * 1024;
/** Few enough for a header, and some MiB of text. */
const frames = 6_000;
const file = writeFile(
  datasetOf({
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.4.1',
    SOPInstanceUID: '1.4',
    StudyInstanceUID: '1.2',
    SeriesInstanceUID: '1.3',
    NumberOfFrames: frames,
    PerFrameFunctionalGroupsSequence: Array.from({ length: frames }, (_, i) => ({
      FrameContentSequence: [
        { DimensionIndexValues: [1, i + 1], FrameAcquisitionNumber: i + 1, StackID: '1', InStackPositionNumber: i + 1 },
      ],
      PlanePositionSequence: [{ ImagePositionPatient: [0, 0, i] }],
    })),
  }),
  { implementationClassUid: '1.2.3' },
);
const expected = dicomJsonText(toDicomJson(parseFile(file).dataset, { bulkDataUri: (path) => path }));
const uids = { studyInstanceUid: '1.2', seriesInstanceUid: '1.3', sopInstanceUid: '1.4' };
const blob = new Blob(file, undefined, uids);

const awaitIndexed = (): Promise<Set<string>> => Promise.resolve(new Set<string>());
/** It knows the instance, and that sequences of it are left out. */
const lacking = {
  metadata: async function* () {
    const { sopInstanceUid, blobKey } = blob.instance;
    yield await Promise.resolve({ sopInstanceUid, blobKey, pieces: [deflatePiece('{}')], isPartial: true });
  },
  awaitIndexed,
} as unknown as StudyIndexReader;
const unknowing = { metadata: async function* () {}, awaitIndexed } as unknown as StudyIndexReader;

async function longOf(index: StudyIndexReader, memory: RetrieveMemory) {
  const metadata = new ReadMetadata(blob, index, 0);
  const located = await metadata.locate({ studyInstanceUid: '1.2' });
  for await (const dataset of metadata.read(located, 'https://pacs.example', memory)) {
    if (!isLong(dataset)) throw new Error('all of its text is held');
    return dataset;
  }
  throw new Error('no metadata');
}

describe('long metadata that nobody reads', () => {
  it.each([
    ['that are left out of the index', lacking],
    ['that the index does not know yet', unknowing],
  ])('hold what waits, and no more (%s)', async (_, index) => {
    const memory = memoryOf();
    const dataset = await longOf(index, memory);
    for (const texts of [dataset.json(), dataset.xml()]) {
      for (let taken = 0; taken < 3; taken++) {
        expect((await texts.next()).done).toBe(false);
        expect(memory.held.at(-1)).toBeLessThan(1.5 * mebibyte);
      }
      await texts.return(undefined);
      expect(memory.held.at(-1)).toBe(0);
    }
  });

  it('leave the memory to others, and are whole when they are read at last', async () => {
    const retrieves = new Retrieves(new ByteBudget(16 * mebibyte), { requestsMax: 100, memoryWaitMs: 500 });
    const unread = [];
    for (let client = 0; client < 8; client++) {
      const texts = (await longOf(lacking, retrieves.begin())).json();
      unread.push({ texts, all: String((await texts.next()).value) });
    }
    const another = retrieves.begin();
    await another.hold(4 * mebibyte);
    another.end();
    const [first] = unread;
    if (!first) throw new Error('nothing is unread');
    let text = first.all;
    for await (const more of first.texts) text += more;
    expect(text === expected).toBe(true);
  });
});
