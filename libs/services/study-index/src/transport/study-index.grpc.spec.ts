import { imaging } from '@callosum/contracts';
import { inflated } from '@callosum/gzip';
import { grpcServerMiddleware } from '@callosum/telemetry';
import { type Channel, createChannel, createClient, createServer, type Server, Status } from 'nice-grpc';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { IndexQueries, LocatedObject } from '../application/queries.js';
import type { Reindex } from '../application/reindex.js';
import type { SearchStore } from '../application/search.js';
import type { FrameFragments } from '../domain/instance.js';
import { piecesOf } from '../domain/metadata-text.js';
import { StudyIndexGrpc } from './study-index.grpc.js';

const studyLevel = imaging.QueryLevel.QUERY_LEVEL_STUDY;
const [study, series] = ['1.2.840.1', '1.2.840.2'];
const all: FrameFragments[] = Array.from({ length: 10_000 }, (_, i) => [[2 ** 33 + i, i + 1]] as const);
const object = (
  sopInstanceUid: string,
  numbers: readonly number[] = [],
  more: Partial<LocatedObject> = {},
): LocatedObject => ({
  sopInstanceUid,
  blobKey: `default/${sopInstanceUid}`,
  transferSyntaxUid: '1.2.840.10008.1.2.4.90',
  image: {
    rows: 512,
    columns: 256,
    frames: 10_000,
    samplesPerPixel: 3,
    bitsAllocated: 8,
    bitsStored: 8,
    pixelRepresentation: 0,
    planarConfiguration: 0,
    photometricInterpretation: 'YBR_RCT',
  },
  layout: { encapsulated: true, nativeOffset: 0, nativeFrameBytes: 0 },
  frames:
    numbers.length > 0
      ? [numbers.map((number) => all[number - 1] ?? [])]
      : [all.slice(0, 4_096), all.slice(4_096, 8_192), all.slice(8_192)],
  ...more,
});
/** More than a client takes in one message. */
const large = 'x'.repeat(64 * 1024 * 1024);
const text = (uid: string): string =>
  `{"00080018":{"vr":"UI","Value":["${uid}"]},"7FE00010":{"vr":"OW","BulkDataURI":"/dicom-web/x"}}`;

// What PostgreSQL says of it is shown by pieces.contract.spec.ts: here is how it travels.
describe('what the index answers over gRPC', () => {
  let server: Server;
  let channel: Channel;
  let withheld: Set<string>;
  let missing: string[][];
  const queries: Partial<IndexQueries> = {
    fragments: async function* ({ studyInstanceUid }) {
      await Promise.resolve();
      if (studyInstanceUid !== study) return;
      for (let n = 0; n < 3_000; n++) {
        const uid = `1.2.840.3.${n}`;
        yield {
          seriesInstanceUid: series,
          sopInstanceUid: uid,
          blobKey: `default/${uid}`,
          pieces: piecesOf(text(uid)),
          isPartial: false,
        };
      }
    },
    framesOfInstance: ({ sopInstanceUid }, numbers) =>
      Promise.resolve(sopInstanceUid === '1.2.840.9' ? undefined : object(sopInstanceUid, numbers)),
    singleFrames: () =>
      Promise.resolve([object('1.2.840.4'), object('1.2.840.5', [], { image: undefined, layout: null, frames: [] })]),
    study: (studyInstanceUid) =>
      Promise.resolve(imaging.Study.fromPartial({ studyInstanceUid, series: [{ seriesDescription: large }] })),
    metadata: async function* () {
      await Promise.resolve();
      yield imaging.StreamMetadataResponse.fromPartial({ dicomJson: large });
    },
    unindexed: (_study, keys) => Promise.resolve(missing.shift() ?? keys),
  };
  /** What all studies say of themselves. */
  let description: string;
  /** Studies. */
  let studies: string[];
  const searches: SearchStore = {
    decides: () => true,
    page: () =>
      Promise.resolve({
        rows: studies.map((uid) => ({
          study: {
            studyInstanceUid: uid,
            patientKey: '',
            patientName: '',
            modalities: [],
            seriesCount: 1,
            instanceCount: 1,
            attributes: {
              '00081030': { vr: 'LO', Value: [description] },
              '0020000D': { vr: 'UI', Value: [uid] },
            },
          },
        })),
      }),
  };

  beforeAll(async () => {
    server = createServer().use(grpcServerMiddleware('study-index', { failed: () => {}, refused: () => {} }));
    server.add(
      imaging.StudyIndexServiceDefinition,
      new StudyIndexGrpc(queries as IndexQueries, searches, {} as Reindex, {
        withheldAmong: (_study, uids) => Promise.resolve(new Set(uids.filter((uid) => withheld.has(uid)))),
      }),
    );
    channel = createChannel(`127.0.0.1:${await server.listen('127.0.0.1:0')}`);
  });
  afterAll(async () => {
    channel?.close();
    await server?.shutdown();
  });
  beforeEach(() => {
    withheld = new Set();
    missing = [];
    description = '';
    studies = ['1', '2', '3'];
  });
  const client = () => createClient(imaging.StudyIndexServiceDefinition, channel);
  const collect = async <T>(all: AsyncIterable<T>): Promise<T[]> => {
    const found: T[] = [];
    for await (const one of all) found.push(one);
    return found;
  };
  const frames = (sopInstanceUid: string, numbers: number[] = []) =>
    collect(
      client().locateFrames({ studyInstanceUid: study, seriesInstanceUid: series, sopInstanceUid, frames: numbers }),
    );

  it('are pieces of metadata that inflate to its text, in few messages', async () => {
    const messages = await collect(client().readMetadata({ studyInstanceUid: study }));
    const fragments = messages.flatMap((message) => message.fragments);
    expect(fragments).toHaveLength(3_000);
    expect(messages.length).toBeLessThan(10);
    for (const message of messages)
      expect(imaging.ReadMetadataResponse.encode(message).finish().length).toBeLessThanOrEqual(256 * 1024);
    const { pieces = [], sopInstanceUid = '' } = fragments.at(-1) ?? {};
    expect(pieces).toHaveLength(2);
    expect(Buffer.concat(await collect(inflated([pieces]))).toString()).toBe(text(sopInstanceUid));
    const nowhere = collect(client().readMetadata({ studyInstanceUid: '1.2.3' }));
    await expect(nowhere).rejects.toMatchObject({ code: Status.NOT_FOUND });
  });

  it('are frames behind the first 4 GiB too, and how their samples lie', async () => {
    expect(await frames('1.2.840.4', [10_000, 1, 10_001])).toEqual([
      {
        sopInstanceUid: '1.2.840.4',
        blobKey: 'default/1.2.840.4',
        transferSyntaxUid: '1.2.840.10008.1.2.4.90',
        image: object('').image,
        encapsulated: true,
        nativeOffset: 0n,
        nativeFrameBytes: 0n,
        nativeByteCount: 0n,
        frames: [
          { fragments: [{ offset: 2n ** 33n + 9_999n, byteCount: 10_000n }] },
          { fragments: [{ offset: 2n ** 33n, byteCount: 1n }] },
          { fragments: [] },
        ],
      },
    ]);
    expect((await frames('1.2.840.4')).map((message) => message.frames.length)).toEqual([4_096, 4_096, 1_808]);
  });

  it('are the objects of a series but for those that the archive hides; none of what nobody knows', async () => {
    expect((await frames('')).map(({ sopInstanceUid, image }) => [sopInstanceUid, image?.rows])).toContainEqual([
      '1.2.840.5',
      undefined,
    ]);
    withheld.add('1.2.840.4');
    expect((await frames('')).map(({ sopInstanceUid }) => sopInstanceUid)).toEqual(['1.2.840.5']);
    expect(await frames('1.2.840.4', [1])).toEqual([]);
    await expect(frames('1.2.840.9', [1])).rejects.toMatchObject({ code: Status.NOT_FOUND });
  });

  it.each<[string, string, number[]]>([
    ['frame 0', '1.2.840.4', [1, 0]],
    ['frames of a series', '', [1]],
    ['4,097 frames', '1.2.840.4', Array.from({ length: 4_097 }, (_, i) => i + 1)],
    ['what is no UID', 'x', [1]],
  ])('is INVALID_ARGUMENT for %s', async (_, sopInstanceUid, numbers) => {
    await expect(frames(sopInstanceUid, numbers)).rejects.toMatchObject({ code: Status.INVALID_ARGUMENT });
  });

  it('is what is missing when it is there, or the time is over', async () => {
    const wait = async (waitMs: number, blobKeys: string[] = ['a', 'b']) =>
      (await client().awaitIndexed({ studyInstanceUid: study, blobKeys, waitMs })).missingBlobKeys;
    missing = [['b', 'a'], ['b'], []];
    expect(await wait(60_000)).toEqual([]);
    expect(await wait(0)).toEqual(['a', 'b']);
    await expect(wait(60_001)).rejects.toMatchObject({ code: Status.INVALID_ARGUMENT });
    const many = Array.from({ length: 10_001 }, (_, n) => `default/${n}`);
    await expect(wait(0, many)).rejects.toMatchObject({ code: Status.INVALID_ARGUMENT });
    expect(await wait(0, many.slice(1))).toHaveLength(10_000);
  });

  it('are matches by row, or one by one for who does not ask for rows', async () => {
    const request = { level: imaging.QueryLevel.QUERY_LEVEL_STUDY };
    const batched = await collect(client().search({ ...request, rowsPerMessage: 2 }));
    expect(batched.map(({ dicomJson, rows }) => [dicomJson, rows.map((row) => row.studyInstanceUid)])).toEqual([
      ['', ['1', '2']],
      ['', ['3']],
    ]);
    const single = await collect(client().search(request));
    expect(single.map(({ rows }) => rows)).toEqual([[], [], []]);
    expect(single.map(({ dicomJson }) => dicomJson)).toEqual(
      batched.flatMap(({ rows }) => rows.map(({ dicomJson }) => dicomJson)),
    );
  });
  it('are the keys that were left out where nothing is found, for who asks for that', async () => {
    studies = [];
    const matches = [{ tag: '00091001', value: 'x' }];
    const request = { level: studyLevel, matches, rowsPerMessage: 2 };
    const answers = await collect(client().search({ ...request, answerWithoutRows: true }));
    expect(answers).toEqual([{ dicomJson: '', rows: [], unsupportedKeys: ['00091001'] }]);
    // A version before takes each answer for a row.
    expect(await collect(client().search(request))).toEqual([]);
    studies = ['1'];
    expect(await collect(client().search({ ...request, answerWithoutRows: true }))).toHaveLength(1);
  });

  it.each<[string, () => Promise<unknown>]>([
    ['a match among rows', () => collect(client().search({ level: studyLevel, rowsPerMessage: 2 }))],
    ['a match', () => collect(client().search({ level: studyLevel }))],
    ['metadata', () => collect(client().streamMetadata({ studyInstanceUid: study }))],
    ['a study', () => client().getStudy({ studyInstanceUid: study })],
  ])('is refused where %s would be more than its reader takes: that looks as if nobody answered', async (_, ask) => {
    description = large;
    await expect(ask()).rejects.toMatchObject({
      code: Status.INVALID_ARGUMENT,
      details: expect.stringMatching(/^study-index\.answer-too-large: /) as string,
    });
  });
});
