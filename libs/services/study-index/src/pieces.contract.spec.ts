import { imaging } from '@callosum/contracts';
import { type GzipPart, inflated } from '@callosum/gzip';
import { sql } from 'kysely';
import { beforeEach, describe, expect, it } from 'vitest';

import { PostgresIndexQueries } from './adapters/queries.js';
import { slice, store, uid } from './test-support/objects.js';
import {
  clearIndex,
  collect,
  database,
  grpc,
  index,
  reindex,
  searchRequest,
  send,
  useIndex,
} from './test-support/study-index.js';

useIndex();
beforeEach(clearIndex);

const scope = (series = '', instance = '') => ({
  studyInstanceUid: uid('s'),
  seriesInstanceUid: series,
  sopInstanceUid: instance,
});
const base = 'https://pacs.example/imaging';

async function textOf({ pieces }: imaging.MetadataFragment): Promise<string> {
  const parts = pieces.flatMap((piece, at): GzipPart[] => (at === 0 ? [piece] : [base, piece]));
  return Buffer.concat(await collect(inflated([parts]))).toString();
}

/** The database, and rows of what is read from it. */
function counted() {
  const pages: number[] = [];
  const db = database.db.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: ({ result }) => {
      if (result.rows.length > 0) pages.push(result.rows.length);
      return Promise.resolve(result);
    },
  });
  return { db, pages };
}

describe('metadata in pieces', () => {
  it('are the datasets of StreamMetadata in the same order, but for the base of bulk data URIs', async () => {
    const curve = new Uint8Array(2_000).fill(7);
    await send(slice('s', 'b', 3));
    await send(slice('s', 'a', 2, { PatientComments: 'ax\0ial \ud800 "BulkDataURI":"/dicom-web/' }));
    await send(slice('s', 'a', 1, { EncapsulatedDocument: curve }));
    const streamed = await collect(grpc().streamMetadata(scope()));
    const messages = await collect(grpc().readMetadata(scope()));
    const fragments = messages.flatMap((message) => message.fragments);
    expect(fragments.map(({ pieces: _, isPartial: _partial, ...names }) => names)).toEqual(
      streamed.map(({ dicomJson: _, ...names }) => names),
    );
    const texts = await Promise.all(fragments.map(textOf));
    expect(texts.map((text) => JSON.parse(text) as unknown)).toEqual(
      streamed.map(({ dicomJson }) => JSON.parse(dicomJson.replaceAll('"BulkDataURI":"', `"BulkDataURI":"${base}`))),
    );
    // One value of bulk data each, and two.
    expect(fragments.map(({ pieces }) => pieces.length).sort()).toEqual([2, 2, 3]);
  });

  it('are those of a series or an instance; NOT_FOUND where there is none', async () => {
    await send(slice('s', 'a', 1));
    await send(slice('s', 'b', 2));
    const uids = async (series: string, instance = ''): Promise<string[]> =>
      (await collect(grpc().readMetadata(scope(series, instance))))
        .flatMap(({ fragments }) => fragments)
        .map(({ sopInstanceUid }) => sopInstanceUid);
    expect(await uids(uid('s/b'))).toEqual([uid('s/b/2')]);
    expect(await uids(uid('s/a'), uid('s/a/1'))).toEqual([uid('s/a/1')]);
    await expect(uids(uid('s/a'), uid('s/b/2'))).rejects.toMatchObject({ kind: 'not-found' });
    await expect(uids('x')).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('are kept with the row, and made anew of rows that have none or those of another blob or version', async () => {
    await send(slice('s', 'a', 1));
    const read = async (): Promise<string> => {
      const [fragment] = (await collect(grpc().readMetadata(scope()))).flatMap(({ fragments }) => fragments);
      return textOf(fragment as imaging.MetadataFragment);
    };
    const kept = await read();
    // What stands beside the pieces shows which of the two is read.
    const mark = (): Promise<unknown> =>
      sql`update instance set metadata = metadata || '{"00104000": {"vr": "LT", "Value": ["of the column"]}}'`.execute(
        database.db,
      );
    await mark();
    expect(await read()).toBe(kept);
    const states = [
      sql`update instance set metadata_pieces = null, metadata_pieces_blob = null`,
      sql`update instance set metadata_pieces = set_byte(metadata_pieces, 0, 250)`,
      // As a replica of the version before corrects it.
      sql`update instance set blob_key = 'another'`,
    ];
    for (const state of states) {
      await send(slice('s', 'a', 1), { revision: 2 });
      await mark();
      expect(await read()).toBe(kept);
      await state.execute(database.db);
      const made = await read();
      expect(made).toContain('of the column');
      const { '00104000': _, ...rest } = JSON.parse(made) as Record<string, unknown>;
      expect(rest).toEqual(JSON.parse(kept));
    }
  });

  it('are made of rows that had none, and kept for the next who asks', async () => {
    for (const number of [1, 2]) await send(slice('s', 'a', number));
    await sql`update instance set metadata_pieces = null, metadata_pieces_blob = null, image_pixel = null`.execute(
      database.db,
    );
    const read = async (): Promise<string[]> =>
      Promise.all((await collect(grpc().readMetadata(scope()))).flatMap(({ fragments }) => fragments).map(textOf));
    const kept = async () =>
      (
        await sql<{
          kept: boolean;
        }>`select metadata_pieces_blob is not distinct from blob_key and image_pixel is not null
          as kept from instance order by instance_number`.execute(database.db)
      ).rows.map((row) => row.kept);
    // What somebody writes is left to him, and nobody waits.
    await database.db.transaction().execute(async (trx) => {
      await sql`select from instance where instance_number = 1 for update`.execute(trx);
      expect(await read()).toHaveLength(2);
      expect(await kept()).toEqual([false, true]);
    });
    const made = await read();
    expect(await kept()).toEqual([true, true]);
    await sql`update instance set metadata = '{}'`.execute(database.db);
    expect(await read()).toEqual(made);
  });

  it('are made of rows that had none by a reindex', async () => {
    await send(slice('s', 'a', 1));
    await sql`update instance set metadata_pieces = null, metadata_pieces_blob = null`.execute(database.db);
    for await (const _ of reindex().run(0));
    const { rows } = await sql<{ same: boolean }>`select metadata_pieces_blob = blob_key as same from instance`.execute(
      database.db,
    );
    expect(rows).toEqual([{ same: true }]);
  });

  describe('say whether sequences are left out of them', () => {
    /** The second time with the pieces that were kept the first time. */
    const said = async (): Promise<(boolean | undefined)[]> => {
      const read = async () => (await collect(grpc().readMetadata(scope()))).flatMap(({ fragments }) => fragments);
      return [...(await read()), ...(await read())].map(({ isPartial }) => isPartial);
    };
    const long = sql`blob_bytes = 2000000, pixel_data = 'null'`;
    const layoutOf = (layout: object) => sql`blob_bytes = 2000000, pixel_data = ${JSON.stringify(layout)}::jsonb`;

    it('as who wrote the row knows it, however long its header is', async () => {
      await send(slice('s', 'a', 1));
      await sql`update instance set ${long}`.execute(database.db);
      expect(await said()).toEqual([false, false]);
    });

    it.each<[string, false | undefined, ReturnType<typeof sql>]>([
      ['not known: it may have such', undefined, long],
      ['none: the object is too short for that', false, sql`blob_bytes = 1600000, pixel_data = 'null'`],
      ['none: its pixels begin before that', false, layoutOf({ nativeOffset: 900, frames: [] })],
      ['none: its fragments begin before that', false, layoutOf({ nativeOffset: 0, frames: [[[900, 10]]] })],
      ['not known: pixels begin behind', undefined, layoutOf({ nativeOffset: 1_700_000, frames: [] })],
      [
        'not known of what is deflated: it may become long',
        undefined,
        sql`blob_bytes = 20000, pixel_data = 'null', transfer_syntax_uid = '1.2.840.10008.1.2.1.99'`,
      ],
    ])('of a row of before %s', async (_, expected, state) => {
      await send(slice('s', 'a', 1));
      await sql`update instance set metadata_pieces = null, metadata_pieces_blob = null, ${state}`.execute(database.db);
      expect(await said()).toEqual([expected, expected]);
    });
  });

  it('of many instances come in pages and messages, each once', async () => {
    await send(slice('s', 'a', 1));
    const uids = Array.from({ length: 505 }, (_, i) => uid(`s/a/${i + 1}`));
    await sql`insert into instance select made.* from instance as i,
      unnest(${uids.slice(1)}::text[]) with ordinality as more (uid, place),
      jsonb_populate_record(i, jsonb_build_object('sop_instance_uid', uid, 'instance_number', place + 1)) as made`.execute(
      database.db,
    );
    const fragments = (await collect(grpc().readMetadata(scope()))).flatMap((message) => message.fragments);
    expect(fragments.map(({ sopInstanceUid }) => sopInstanceUid)).toEqual(uids);
    const { db, pages } = counted();
    await collect(new PostgresIndexQueries(db).fragments({ studyInstanceUid: uid('s') }));
    expect(pages).toEqual([500, 5]);
  });
});

describe('rows of large objects', () => {
  const objects = 9;
  /** Half a megabyte and more that nothing makes smaller. */
  const large = sql`(select string_agg(md5(n::text || k::text), '') from generate_series(1, 30000) as k)`;
  const withComments = sql`metadata || jsonb_build_object('00104000',
    jsonb_build_object('vr', 'LT', 'Value', jsonb_build_array(${large})))`;

  interface Found {
    readonly sopInstanceUid?: string;
    readonly instance?: { readonly sopInstanceUid: string } | undefined;
  }
  it.each<[string, ReturnType<typeof sql>, (queries: PostgresIndexQueries) => AsyncIterable<Found>]>([
    ['metadata', sql`metadata = ${withComments}`, (queries) => queries.metadata({ studyInstanceUid: uid('s') })],
    [
      'metadata of which there are no pieces',
      sql`metadata_pieces_blob = null, metadata = ${withComments}`,
      (queries) => queries.fragments({ studyInstanceUid: uid('s') }),
    ],
    [
      // Of a version that nobody reads: how large they are counts.
      'pieces',
      sql`metadata_pieces = '\\xfa' || decode(${large}, 'hex')`,
      (queries) => queries.fragments({ studyInstanceUid: uid('s') }),
    ],
    [
      'layouts',
      sql`pixel_data = pixel_data || jsonb_build_object('more', ${large})`,
      (queries) => queries.locations({ studyInstanceUid: uid('s') }),
    ],
  ])('with %s are read one by one, each once and in order', async (_, state, read) => {
    for (let number = 1; number <= objects; number++) await send(slice('s', 'a', number));
    await sql`update instance set ${state} from generate_series(1, ${objects}::int) as n
      where n = instance_number`.execute(database.db);
    const { db, pages } = counted();
    const found = await collect(read(new PostgresIndexQueries(db)));
    expect(found.map(({ sopInstanceUid, instance }) => sopInstanceUid ?? instance?.sopInstanceUid)).toEqual(
      Array.from({ length: objects }, (__, i) => uid(`s/a/${i + 1}`)),
    );
    expect(pages).toEqual(Array(objects).fill(1));
  });
});

describe('waiting for what is stored', () => {
  const wait = async (keys: string[], waitMs: number): Promise<readonly string[]> =>
    (await grpc().awaitIndexed({ studyInstanceUid: uid('s'), blobKeys: keys, waitMs })).missingBlobKeys;

  it('ends when it is indexed', async () => {
    const stored = [store(slice('s', 'a', 1)), store(slice('s', 'a', 2))];
    const waiting = wait(
      stored.map(({ blob }) => blob.key),
      60_000,
    );
    for (const one of stored) await index(one);
    expect(await waiting).toEqual([]);
  });

  it('ends with the time, of a study that nobody knows too', async () => {
    const stored = store(slice('s', 'a', 1));
    expect(await wait([stored.blob.key, 'none'], 0)).toEqual([stored.blob.key, 'none']);
    await index(stored);
    expect(await wait(['none', stored.blob.key], 50)).toEqual(['none']);
  });

  it('is for the very blob: before a correction is indexed it is missing', async () => {
    await send(slice('s', 'a', 1));
    const corrected = store(slice('s', 'a', 1, { SeriesDescription: 'corrected' }), { revision: 2 });
    expect(await wait([corrected.blob.key], 0)).toEqual([corrected.blob.key]);
    await index(corrected);
    expect(await wait([corrected.blob.key], 0)).toEqual([]);
  });

  it('is refused for too long, and for too many', async () => {
    await expect(wait([], 60_001)).rejects.toMatchObject({ kind: 'invalid' });
    await expect(wait(Array.from({ length: 10_001 }, String), 0)).rejects.toMatchObject({ kind: 'invalid' });
  });
});

describe('a search by rows', () => {
  it('finds what it finds one by one, with the UIDs of each beside it', async () => {
    for (const number of [1, 2, 3]) await send(slice('s', 'a', number));
    const asked = {
      level: imaging.QueryLevel.QUERY_LEVEL_INSTANCE,
      matches: [
        { tag: '0020000D', value: uid('s') },
        { tag: '00091001', value: 'private' },
      ],
    };
    const one = await collect(grpc().search(searchRequest(asked)));
    const batched = await collect(grpc().search(searchRequest({ ...asked, rowsPerMessage: 2 })));
    expect(batched.map(({ rows }) => rows?.length)).toEqual([2, 1]);
    expect(batched.map(({ unsupportedKeys }) => unsupportedKeys)).toEqual([['00091001'], ['00091001']]);
    const rows = batched.flatMap(({ rows = [] }) => rows);
    expect(rows.map(({ dicomJson }) => dicomJson)).toEqual(one.map(({ dicomJson }) => dicomJson));
    expect(rows.map(({ dicomJson: _, ...uids }) => uids)).toEqual(
      [1, 2, 3].map((number) => ({
        studyInstanceUid: uid('s'),
        seriesInstanceUid: uid('s/a'),
        sopInstanceUid: uid(`s/a/${number}`),
      })),
    );
  });
});
