import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';

import {
  type Attributes,
  datasetOf,
  DeflatedExplicitVRLittleEndian,
  type DicomJson,
  dicomJsonText,
  parseFile,
  toDicomJson,
  writeFile,
} from '@callosum/dicom';
import { deflatePiece } from '@callosum/gzip';
import { describe, expect, it } from 'vitest';

import { stepsOf } from '../domain/bulk-path.js';
import { Blob, memoryOf, readersOf } from '../test-support/kept.js';
import type { KeptInstance } from './ports/archive.js';
import type { IndexedMetadata, StudyIndexReader } from './ports/index.js';
import { isLong, type MetadataDataset, ReadMetadata } from './read-metadata.js';

const frames = 24_000;
const icon = new Uint8Array(2_000).fill(9);
const groups = Array.from({ length: frames }, (_, i) => ({
  FrameContentSequence: [
    {
      DimensionIndexValues: [1, i + 1],
      FrameAcquisitionNumber: i + 1,
      InStackPositionNumber: i + 1,
      StackID: '1',
      TemporalPositionIndex: 1,
      FrameReferenceDateTime: '20261127',
    },
  ],
  PlanePositionSequence: [{ ImagePositionPatient: [0, 0, i] }],
  ...(i === 8_999 ? { IconImageSequence: [{ RedPaletteColorLookupTableData: icon }] } : {}),
}));
const attributes: Attributes = {
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.4.1',
  SOPInstanceUID: '1.4',
  StudyInstanceUID: '1.2',
  SeriesInstanceUID: '1.3',
  PatientName: 'Nobody^Test',
  NumberOfFrames: frames,
  PerFrameFunctionalGroupsSequence: groups,
};
const file = writeFile(datasetOf(attributes, { RedPaletteColorLookupTableData: 'OW' }), {
  implementationClassUid: '1.2.3',
});
const blob = new Blob(file, undefined, { studyInstanceUid: '1.2', seriesInstanceUid: '1.3', sopInstanceUid: '1.4' });
const kept = {
  locate: () => Promise.resolve([blob.instance]),
  open: (...asked: Parameters<Blob['open']>): Promise<Readable> => blob.open(...asked),
};
const base = 'https://pacs.example/dicom-web/studies/1.2/series/1.3/instances/1.4/bulkdata';
const expected = toDicomJson(parseFile(file).dataset, { bulkDataUri: (path) => `${base}/${path}` });

/** The index knows the instance, and says this of it. */
const indexOf = (more: Partial<IndexedMetadata>): StudyIndexReader =>
  ({
    metadata: async function* () {
      const { sopInstanceUid, blobKey } = blob.instance;
      yield await Promise.resolve({ sopInstanceUid, blobKey, pieces: [deflatePiece('{"of":"the index"}')], ...more });
    },
    awaitIndexed: () => Promise.resolve(new Set<string>()),
  }) as unknown as StudyIndexReader;

async function datasetsOf(
  index: StudyIndexReader,
  memory = memoryOf(),
  more: Partial<KeptInstance> = {},
): Promise<MetadataDataset[]> {
  const locate = (): Promise<KeptInstance[]> => Promise.resolve([{ ...blob.instance, ...more }]);
  const metadata = new ReadMetadata({ ...kept, locate }, index, 0);
  const all: MetadataDataset[] = [];
  const located = await metadata.locate({ studyInstanceUid: '1.2' });
  for await (const dataset of metadata.read(located, 'https://pacs.example', memory)) all.push(dataset);
  return all;
}

describe('metadata of an object whose functional groups are too many to be indexed', () => {
  it('have all of them, and are written in little memory as they are taken', async () => {
    const memory = memoryOf();
    const [dataset] = await datasetsOf(indexOf({ isPartial: true }), memory);
    if (!dataset || !isLong(dataset)) throw new Error('not written from the object');
    const json = (await buffer(Readable.from(dataset.json()))).toString();
    expect(json === dicomJsonText(expected)).toBe(true);
    expect(Math.max(...memory.held)).toBeLessThan(8 * 1024 * 1024);
    expect(memory.held.at(-1)).toBe(0);
    const xml = (await buffer(Readable.from(dataset.xml()))).toString();
    expect(xml.match(/keyword="FrameContentSequence"/g)).toHaveLength(frames);
  });

  it('are those of the index where it says that they are whole', async () => {
    expect((await datasetsOf(indexOf({ isPartial: false }))).some(isLong)).toBe(false);
  });

  it('are written so where the index does not say it, unless the object is too short to lack something', async () => {
    const isWritten = async (more: Partial<KeptInstance>) =>
      (await datasetsOf(indexOf({}), memoryOf(), more)).map(isLong);
    expect(await isWritten({})).toEqual([true]);
    expect(await isWritten({ byteCount: 1_600_000 })).toEqual([false]);
    // What is deflated may become long.
    expect(await isWritten({ byteCount: 1_600_000, transferSyntaxUid: DeflatedExplicitVRLittleEndian })).toEqual([
      true,
    ]);
  });

  it('are written so too where the index does not know the object yet', async () => {
    const [dataset] = await datasetsOf(indexOf({ blobKey: 'another' }));
    if (!dataset || !isLong(dataset)) throw new Error('not written from the object');
    expect((await buffer(Readable.from(dataset.json()))).toString()).toContain('"52009230":{"vr":"SQ","Value":[');
  });

  it('name bulk data that can be had', async () => {
    const path = '52009230/8999/00880200/0/00281201';
    const uri = (expected['52009230']?.Value?.[8_999] as DicomJson | undefined)?.['00880200']?.Value?.[0] as
      DicomJson | undefined;
    expect(uri?.['00281201']?.BulkDataURI).toBe(`${base}/${path}`);
    const { bulk } = readersOf(kept);
    const value = await bulk.value(blob.instance, stepsOf(path), memoryOf());
    expect(await buffer(await value.open())).toEqual(Buffer.from(icon));
    // The sequence itself is a value of its items, and no bulk data.
    for (const absent of ['52009230', '52009230/24000/00880200/0/00281201', '52009230/0/00880200/0/00281201'])
      await expect(bulk.value(blob.instance, stepsOf(absent), memoryOf())).rejects.toMatchObject({ kind: 'not-found' });
  });
});
