import { imaging } from '@callosum/contracts';
import { type GzipPart, inflated } from '@callosum/gzip';
import type { StudyIndexClient } from '@callosum/runtime';
import { ClientError, Status } from 'nice-grpc';
import { describe, expect, it } from 'vitest';

import { BadRequestError, TooLargeError } from '../domain/errors/door.js';
import { TooManySearchesError } from '../domain/errors/search.js';
import { keptInstance } from '../test-support/kept.js';
import { IndexUnavailableError, StudyIndexGrpc } from './study-index-grpc.js';

const { signal } = new AbortController();
const kept = keptInstance({ blobKey: 'new' });

async function* stream<T>(...messages: readonly T[]): AsyncGenerator<T> {
  await Promise.resolve();
  yield* messages;
}
async function* failing(code: Status, details = ''): AsyncGenerator<never> {
  await Promise.resolve();
  yield* [];
  throw new ClientError('/callosum.imaging.v1.StudyIndexService/Method', code, details);
}
const indexOf = (client: Partial<Record<keyof StudyIndexClient, unknown>>): StudyIndexGrpc =>
  new StudyIndexGrpc(client as unknown as StudyIndexClient);
const collect = async <T>(all: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = [];
  for await (const one of all) found.push(one);
  return found;
};

const dataset = {
  '00080018': { vr: 'UI', Value: ['1.4'] },
  '0020000D': { vr: 'UI', Value: ['1.2'] },
  '0020000E': { vr: 'UI', Value: ['1.3'] },
  '00280008': { vr: 'IS', Value: [3] },
  '00280010': { vr: 'US', Value: [4] },
  '00280011': { vr: 'US', Value: [5] },
  '00280100': { vr: 'US', Value: [16] },
  '7FE00010': { vr: 'OW', BulkDataURI: '/dicom-web/studies/1.2/bulkdata/7FE00010' },
};

/** As the version before: it has no method that is newer, and answers none of the newer fields. */
function older(layout: Partial<imaging.PixelDataLayout> | undefined, blobKeys: readonly string[] = ['new']) {
  const asked: string[] = [];
  let polled = 0;
  const unknown = (name: string) => () => {
    asked.push(name);
    return failing(Status.UNIMPLEMENTED);
  };
  const client = {
    readMetadata: unknown('readMetadata'),
    locateFrames: unknown('locateFrames'),
    awaitIndexed: (): Promise<never> => failing(Status.UNIMPLEMENTED).next() as Promise<never>,
    streamMetadata: () =>
      stream(
        imaging.StreamMetadataResponse.fromPartial({
          sopInstanceUid: '1.4',
          blobKey: 'new',
          dicomJson: JSON.stringify(dataset),
        }),
      ),
    locateInstances: () =>
      polled++ === 0 && blobKeys.length === 0
        ? failing(Status.NOT_FOUND)
        : stream(
            ...(blobKeys.length > 0 ? blobKeys : ['late']).map((key) =>
              imaging.LocateInstancesResponse.fromPartial({
                instance: { blob: { key } },
                ...(layout ? { pixelData: layout } : {}),
              }),
            ),
          ),
    search: () =>
      stream(imaging.SearchResponse.fromPartial({ dicomJson: JSON.stringify(dataset), unsupportedKeys: ['x'] })),
  };
  return { index: indexOf(client), asked };
}

describe('the index', () => {
  it('gives metadata message by message', async () => {
    const fragment = (sopInstanceUid: string) => ({
      sopInstanceUid,
      seriesInstanceUid: '1.3',
      blobKey: 'b',
      pieces: [],
    });
    const index = indexOf({
      readMetadata: () => stream({ fragments: [fragment('1'), fragment('2')] }, { fragments: [fragment('3')] }),
    });
    const found = await collect(index.metadata(kept, signal));
    expect(found.map(({ sopInstanceUid }) => sopInstanceUid)).toEqual(['1', '2', '3']);
  });

  it('puts frames that come in several messages together, and knows nothing of another blob', async () => {
    const message = (offset: bigint, blobKey = 'new') =>
      imaging.LocateFramesResponse.fromPartial({
        blobKey,
        encapsulated: true,
        frames: [{ fragments: [{ offset, byteCount: 5n }] }],
      });
    const index = indexOf({ locateFrames: () => stream(message(1n), message(2n)) });
    expect(await index.frames(kept, [], signal)).toMatchObject({
      encapsulated: true,
      frames: [[{ offset: 1, length: 5 }], [{ offset: 2, length: 5 }]],
    });
    const before = indexOf({ locateFrames: () => stream(message(1n, 'old')) });
    expect(await before.frames(kept, [], signal)).toBeUndefined();
  });

  it('knows nothing where it says NOT_FOUND', async () => {
    const index = indexOf({
      readMetadata: () => failing(Status.NOT_FOUND),
      locateFrames: () => failing(Status.NOT_FOUND),
    });
    expect(await collect(index.metadata(kept, signal))).toEqual([]);
    expect(await index.frames(kept, [1], signal)).toBeUndefined();
  });

  it.each([
    [Status.UNAVAILABLE, '', IndexUnavailableError],
    [Status.UNAVAILABLE, 'study-index.too-many-searches: come again', TooManySearchesError],
    [Status.INVALID_ARGUMENT, 'no UID', BadRequestError],
    [Status.DEADLINE_EXCEEDED, 'study-index.search-too-broad: narrow it', TooLargeError],
    [Status.INVALID_ARGUMENT, 'study-index.answer-too-large: ask for less', TooLargeError],
    [Status.DEADLINE_EXCEEDED, 'the network', IndexUnavailableError],
  ] as const)('that fails with status %i %s is told as what it is', async (code, details, error) => {
    const index = indexOf({
      search: () => failing(code, details),
      readMetadata: () => failing(code, details),
    });
    const request = imaging.SearchRequest.fromPartial({});
    await expect(collect(index.search(request, signal))).rejects.toBeInstanceOf(error);
    await expect(collect(index.metadata(kept, signal))).rejects.toBeInstanceOf(error);
  });

  it('asks for matches in batches', async () => {
    const asked: imaging.SearchRequest[] = [];
    const rows = [imaging.SearchRow.fromPartial({ dicomJson: '{}', studyInstanceUid: '1.2' })];
    const index = indexOf({
      search: (request: imaging.SearchRequest) => {
        asked.push(request);
        return stream({ dicomJson: '', rows, unsupportedKeys: [] });
      },
    });
    expect(await collect(index.search(imaging.SearchRequest.fromPartial({ limit: 7 }), signal))).toEqual([
      { rows, unsupportedKeys: [] },
    ]);
    expect(asked[0]?.rowsPerMessage).toBeGreaterThan(1);
    expect(asked[0]?.limit).toBe(7);
  });

  it('says of which keys it knows nothing where it finds nothing, too', async () => {
    const asked: imaging.SearchRequest[] = [];
    const index = indexOf({
      search: (request: imaging.SearchRequest) => {
        asked.push(request);
        return stream({ dicomJson: '', rows: [], unsupportedKeys: ['00091001'] });
      },
    });
    expect(await collect(index.search(imaging.SearchRequest.fromPartial({}), signal))).toEqual([
      { rows: [], unsupportedKeys: ['00091001'] },
    ]);
    expect(asked[0]?.answerWithoutRows).toBe(true);
  });
});

describe('an index of the version before', () => {
  it('gives the same metadata', async () => {
    const { index, asked } = older(undefined);
    const [found, ...others] = await collect(index.metadata(kept, signal));
    expect(others).toEqual([]);
    expect(asked).toEqual(['readMetadata']);
    const parts: GzipPart[] = (found?.pieces ?? []).flatMap((piece, at) => (at === 0 ? [piece] : ['https://x', piece]));
    const text = Buffer.concat(await collect(inflated([parts]))).toString();
    expect(JSON.parse(text)).toEqual({
      ...dataset,
      '7FE00010': { vr: 'OW', BulkDataURI: 'https://x/dicom-web/studies/1.2/bulkdata/7FE00010' },
    });
  });

  it('says nothing of native frames: not where their value ends', async () => {
    const { index } = older({ encapsulated: false, nativeOffset: 100n, nativeFrameBytes: 40n, frames: [] });
    expect(await index.frames(kept, [2], signal)).toBeUndefined();
  });

  it('says where encapsulated frames are, in the order asked', async () => {
    const frames = [1n, 2n, 3n].map((offset) => ({ fragments: [{ offset, byteCount: 9n }] }));
    const { index } = older({ encapsulated: true, nativeOffset: 0n, nativeFrameBytes: 0n, frames });
    const located = await index.frames(kept, [3, 4, 1], signal);
    expect(located?.frames).toEqual([[{ offset: 3, length: 9 }], [], [{ offset: 1, length: 9 }]]);
    expect((await index.frames(kept, [], signal))?.frames).toHaveLength(3);
  });

  it('knows nothing of another blob', async () => {
    const { index } = older(undefined, ['old']);
    expect(await index.frames(kept, [1], signal)).toBeUndefined();
  });

  it('is asked again until it knows the blobs, also of a study that it does not know yet', async () => {
    expect(await older(undefined, ['new']).index.awaitIndexed('1.2', ['new'], 0, signal)).toEqual(new Set());
    expect(await older(undefined, ['new']).index.awaitIndexed('1.2', ['new', 'other'], 0, signal)).toEqual(
      new Set(['other']),
    );
    expect(await older(undefined, []).index.awaitIndexed('1.2', ['late'], 10_000, signal)).toEqual(new Set());
  });

  it('gives matches one by one, with the UIDs that stand in them', async () => {
    const { index } = older(undefined);
    expect(await collect(index.search(imaging.SearchRequest.fromPartial({}), signal))).toEqual([
      {
        rows: [
          {
            dicomJson: JSON.stringify(dataset),
            studyInstanceUid: '1.2',
            seriesInstanceUid: '1.3',
            sopInstanceUid: '1.4',
          },
        ],
        unsupportedKeys: ['x'],
      },
    ]);
  });
});
