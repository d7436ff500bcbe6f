import { Readable } from 'node:stream';

import { deflatePiece, inflated } from '@callosum/gzip';
import { tinyCt } from '@callosum/phantom';
import { describe, expect, it } from 'vitest';

import { IndexUnavailableError } from '../adapters/study-index-grpc.js';
import { NotFoundError } from '../domain/errors/door.js';
import type { KeptInstance, KeptInstances } from './ports/archive.js';
import type { IndexedMetadata, StudyIndexReader } from './ports/index.js';
import type { RetrieveMemory } from './ports/memory.js';
import { isLong, type MetadataDataset, ReadMetadata } from './read-metadata.js';
import { WaitedInVain } from './waited-in-vain.js';

const memory: RetrieveMemory = {
  bytesMax: 1_000_000,
  signal: new AbortController().signal,
  hold: () => Promise.resolve(),
  keep: () => undefined,
};
const ct = tinyCt();
const instance = (sopInstanceUid: string): KeptInstance => ({
  studyInstanceUid: ct.studyInstanceUid,
  seriesInstanceUid: ct.seriesInstanceUid,
  sopInstanceUid,
  transferSyntaxUid: '1.2.840.10008.1.2.1',
  blobKey: `blob of ${sopInstanceUid}`,
  byteCount: ct.bytes.length,
});
const keptOf = (...uids: string[]): KeptInstances => ({
  locate: () => Promise.resolve(uids.map(instance)),
  open: (_key, _signal, range) => {
    const end = range?.length === undefined ? undefined : range.offset + range.length;
    return Promise.resolve(Readable.from([ct.bytes.subarray(range?.offset ?? 0, end)], { objectMode: false }));
  },
});
const indexed = (sopInstanceUid: string): IndexedMetadata => ({
  sopInstanceUid,
  blobKey: `blob of ${sopInstanceUid}`,
  pieces: [`{"of":"${sopInstanceUid}","BulkDataURI":"`, '/dicom-web/x"}'].map(deflatePiece),
});

/** Knows some at once, and others when they have been waited for. */
function indexOf(known: readonly string[], late: readonly string[]) {
  const waits: { readonly keys: readonly string[]; readonly waitMs: number }[] = [];
  let reads = 0;
  let waited = false;
  const index = {
    metadata: async function* () {
      reads++;
      await Promise.resolve();
      for (const uid of waited ? [...known, ...late] : known) yield indexed(uid);
    },
    awaitIndexed: (_study: string, keys: readonly string[], waitMs: number) => {
      waits.push({ keys, waitMs });
      waited = true;
      return Promise.resolve(new Set(keys.filter((key) => !late.includes(key.replace('blob of ', '')))));
    },
  } as unknown as StudyIndexReader;
  return { index, waits, reads: () => reads };
}

async function* one(texts: AsyncIterable<string>): AsyncGenerator<readonly [string]> {
  for await (const text of texts) yield [text];
}
const texts = async (datasets: AsyncIterable<MetadataDataset>): Promise<Record<string, unknown>[]> => {
  const all: Record<string, unknown>[] = [];
  for await (const dataset of datasets) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of inflated(isLong(dataset) ? one(dataset.json()) : [dataset])) chunks.push(chunk);
    all.push(JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>);
  }
  return all;
};
const selection = { studyInstanceUid: ct.studyInstanceUid };
const metadataOf = async (kept: KeptInstances, index: StudyIndexReader, waitMs: number, baseUrl = 'https://x') => {
  const metadata = new ReadMetadata(kept, index, waitMs);
  return texts(metadata.read(await metadata.locate(selection), baseUrl, memory));
};

describe('metadata of what is stored', () => {
  it('is what the index has, with the base before its bulk data, and is not waited for', async () => {
    const { index, waits } = indexOf(['1', '2'], []);
    expect(await metadataOf(keptOf('1', '2'), index, 2_000, 'https://pacs.example')).toEqual(
      ['1', '2'].map((uid) => ({ of: uid, BulkDataURI: 'https://pacs.example/dicom-web/x' })),
    );
    expect(waits).toEqual([]);
  });

  it('is waited for where the index does not know it yet, once and for what is missing', async () => {
    const { index, waits, reads } = indexOf(['1'], ['2', '3']);
    expect((await metadataOf(keptOf('1', '2', '3'), index, 2_000)).map(({ of }) => of)).toEqual(['1', '2', '3']);
    expect(waits).toEqual([{ keys: ['blob of 2', 'blob of 3'], waitMs: 2_000 }]);
    expect(reads()).toBe(2);
  });

  it('is read from the blob where it does not come, and the index is not read in vain', async () => {
    const { index, reads } = indexOf(['1'], []);
    const [first, second] = await metadataOf(keptOf('1', ct.sopInstanceUid), index, 2_000);
    expect(first).toMatchObject({ of: '1' });
    expect(second).toMatchObject({ '00080018': { vr: 'UI', Value: [ct.sopInstanceUid] } });
    expect(reads()).toBe(1);
  });

  it('is not waited for again where that was in vain a moment ago: what nobody can index costs one reader the time', async () => {
    const { index, waits } = indexOf(['1'], []);
    let now = 0;
    const metadata = new ReadMetadata(keptOf('1', ct.sopInstanceUid), index, 2_000, new WaitedInVain(() => now));
    const read = async () => texts(metadata.read(await metadata.locate(selection), 'https://x', memory));
    expect(await read()).toHaveLength(2);
    now = 9_999;
    expect(await read()).toHaveLength(2);
    expect(waits).toHaveLength(1);
    now = 10_000;
    expect(await read()).toHaveLength(2);
    expect(waits).toHaveLength(2);
  });

  it('is not waited for where the setting says so', async () => {
    const { index, waits } = indexOf([], ['1']);
    await metadataOf(keptOf('1'), index, 0);
    expect(waits).toEqual([]);
  });

  it('is not there of what the archive does not show', async () => {
    const { index } = indexOf(['1'], []);
    await expect(metadataOf(keptOf(), index, 2_000)).rejects.toBeInstanceOf(NotFoundError);
  });

  it.each([
    ['at all', 0],
    ['to the end', 1],
  ])('is read from the blobs where the index does not answer %s, which is not waited for', async (_, answered) => {
    const { index, waits } = indexOf(['1'], []);
    const breaking = {
      ...index,
      metadata: async function* () {
        await Promise.resolve();
        if (answered > 0) yield indexed('1');
        throw new IndexUnavailableError(new Error('no connection'));
      },
    } as unknown as StudyIndexReader;
    const found = await metadataOf(keptOf('1', ct.sopInstanceUid), breaking, 2_000);
    expect(found).toHaveLength(2);
    if (answered > 0) expect(found[0]).toMatchObject({ of: '1' });
    expect(found.at(-1)).toMatchObject({ '00080018': { vr: 'UI', Value: [ct.sopInstanceUid] } });
    expect(waits).toEqual([]);
  });

  it('is read from the blobs where the index goes while it is waited for', async () => {
    const { index } = indexOf(['1'], ['2']);
    const away = { ...index, awaitIndexed: () => Promise.reject(new IndexUnavailableError(new Error('gone'))) };
    expect(await metadataOf(keptOf('1', '2'), away, 2_000)).toHaveLength(2);
  });

  it('is refused where the index does not answer and there is too much of it', async () => {
    const uids = Array.from({ length: 5_001 }, (_, i) => String(i));
    const away = {
      metadata: async function* () {
        yield* await Promise.reject<never[]>(new IndexUnavailableError(new Error('no connection')));
      },
    } as unknown as StudyIndexReader;
    await expect(metadataOf(keptOf(...uids), away, 2_000)).rejects.toBeInstanceOf(IndexUnavailableError);
  });
});
