import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { imaging } from '@callosum/contracts';
import { connect, type Database, migrate } from '@callosum/database';
import { type Attributes, datasetOf, type DicomJson, parseFile, writeFile } from '@callosum/dicom';
import { eventTablesMigrations, PostgresOutbox } from '@callosum/event-log';
import { nameUid, systemClock } from '@callosum/kernel';
import { startPostgres, testDataPath, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { PostgresCompletionStore, recordRelease } from './adapters/completion.js';
import { PostgresIndexTransaction } from './adapters/index-transaction.js';
import { studyIndexMigrations } from './adapters/migrations.js';
import { PostgresIndexQueries } from './adapters/queries.js';
import { PostgresReindexTarget } from './adapters/reindex-target.js';
import { PostgresSearchStore } from './adapters/search.js';
import type { StudyIndexTables } from './adapters/tables.js';
import { completeDueStudies } from './application/complete-studies.js';
import { indexInstance, type IndexOutcome } from './application/index-instance.js';
import { type BlobReader, readInstance } from './application/read-instance.js';
import { Reindex } from './application/reindex.js';
import { search } from './application/search.js';
import type { StoredInstance } from './domain/instance.js';
import { quietPeriods } from './domain/study.js';
import { StudyIndexGrpc } from './transport/study-index.grpc.js';

const periods = { quietPeriodMs: 400, releasedQuietPeriodMs: 200 };
const uid = (name: string): string => nameUid('study-index-spec', name);

let postgres: TestPostgres;
let database: Database<StudyIndexTables>;
const outbox = new PostgresOutbox({ service: 'study-index' });
const blobs = new Map<string, Uint8Array>();
const ledger = new Map<string, StoredInstance>();
const reads: number[] = [];
/** The archive's promise: bytes of a blob by range. */
const reader: BlobReader = {
  read: (key, offset, byteCount) => {
    reads.push(byteCount);
    const bytes = blobs.get(key);
    if (!bytes) throw new Error(`no blob ${key}`);
    return Promise.resolve(bytes.subarray(offset, offset + byteCount));
  },
};

beforeAll(async () => {
  postgres = await startPostgres();
  const config = await postgres.createDatabase();
  database = connect<StudyIndexTables>(config, 'public', () => undefined);
  await migrate(database.db as never, 'public', { ...eventTablesMigrations, ...studyIndexMigrations });
});
afterAll(async () => {
  await database.close();
  await postgres.stop();
});
beforeEach(async () => {
  await sql`truncate outbox, inbox, patient, study, series, instance, release, revision cascade`.execute(database.db);
  blobs.clear();
  ledger.clear();
  reads.length = 0;
});

interface Sent {
  readonly revision?: number;
  readonly issued?: boolean;
  readonly source?: string;
  readonly association?: string;
}

let clock = Date.parse('2026-11-22T10:00:00Z');

/** Keeps a file as the archive would and gives back what its event says. */
function store(bytes: Uint8Array, sent: Sent = {}): StoredInstance {
  const { dataset, fileMeta } = parseFile(bytes);
  const sopInstanceUid = dataset.string('SOPInstanceUID') ?? '';
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const key = `default/${sopInstanceUid}/${sha256}`;
  blobs.set(key, bytes);
  const stored: StoredInstance = {
    studyInstanceUid: dataset.string('StudyInstanceUID') ?? '',
    seriesInstanceUid: dataset.string('SeriesInstanceUID') ?? '',
    sopInstanceUid,
    sopClassUid: dataset.string('SOPClassUID') ?? '',
    transferSyntaxUid: fileMeta.transferSyntaxUid,
    blob: { key, byteCount: bytes.length, sha256 },
    instanceRevision: sent.revision ?? 1,
    issuedByCallosum: sent.issued ?? false,
    source: sent.source ?? 'CT1',
    associationId: sent.association ?? 'a1',
    storedAt: new Date((clock += 1_000)),
  };
  ledger.set(sopInstanceUid, stored);
  return stored;
}

const patient: Attributes = {
  PatientID: 'P-1',
  PatientName: 'Müller^Anna=山田^花子',
  PatientBirthDate: '19700131',
  PatientSex: 'F',
};

function slice(study: string, series: string, number: number, more: Attributes = {}): Uint8Array {
  const attributes: Attributes = {
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
    SOPInstanceUID: uid(`${study}/${series}/${number}`),
    StudyInstanceUID: uid(study),
    SeriesInstanceUID: uid(`${study}/${series}`),
    StudyDate: '20260102',
    StudyTime: '101530',
    AccessionNumber: 'ACC-1',
    StudyDescription: 'Thorax 100%',
    Modality: 'CT',
    SeriesNumber: 2,
    SeriesDescription: 'axial',
    InstanceNumber: number,
    ...patient,
    Rows: 4,
    Columns: 4,
    BitsAllocated: 16,
    BitsStored: 16,
    PixelRepresentation: 1,
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    ImagePositionPatient: [0, 0, number * 2.5],
    ImageOrientationPatient: [1, 0, 0, 0, 1, 0],
    PixelSpacing: [0.7, 0.7],
    SliceThickness: 2.5,
    RescaleSlope: 1,
    RescaleIntercept: -1024,
    PixelData: new Uint8Array(32).fill(number),
    ...more,
  };
  return writeFile(datasetOf(attributes, { PixelData: 'OW' }), { implementationClassUid: '1.2.3' });
}

async function index(stored: StoredInstance): Promise<IndexOutcome> {
  const record = await readInstance(reader, stored);
  return database.db
    .transaction()
    .execute((trx) => indexInstance(new PostgresIndexTransaction(trx, outbox, systemClock), record, periods));
}
const send = (bytes: Uint8Array, sent: Sent = {}): Promise<IndexOutcome> => index(store(bytes, sent));

const completion = () => new PostgresCompletionStore(database.db, outbox, systemClock);

/** Sweeps until the study completes, at most two seconds. */
async function complete(): Promise<number> {
  const start = Date.now();
  for (;;) {
    if ((await completeDueStudies(completion(), () => undefined)) > 0) return Date.now() - start;
    if (Date.now() - start > 2_000) throw new Error('the study did not complete');
    await sleep(10);
  }
}

async function events(): Promise<{ topic: string; value: Record<string, unknown> }[]> {
  const { rows } = await sql<{ topic: string; value: string }>`select topic, value from outbox order by id`.execute(
    database.db,
  );
  await sql`truncate outbox`.execute(database.db);
  return rows.map(({ topic, value }) => ({ topic, value: JSON.parse(value) as Record<string, unknown> }));
}
const changes = async (): Promise<unknown[]> =>
  (await events()).map(({ topic, value }) =>
    topic === 'imaging.study.completed.v1'
      ? `completed ${String(value['revision'])}`
      : `${(value['changes'] as string[]).map((change) => change.replace('STUDY_CHANGE_', '').toLowerCase()).join('+')} ${String(value['revision'])}`,
  );

const reindex = () =>
  new Reindex(
    {
      count: () => Promise.resolve(ledger.size),
      current: async function* () {
        await Promise.resolve();
        yield* ledger.values();
      },
    },
    (stored) => readInstance(reader, stored),
    new PostgresReindexTarget(database.db, outbox, systemClock, periods),
    () => undefined,
  );
const grpc = () =>
  new StudyIndexGrpc(new PostgresIndexQueries(database.db), new PostgresSearchStore(database.db), reindex());

describe('a study that arrives', () => {
  it('is announced once, completes once after its quiet period, and says what it holds', async () => {
    for (let number = 1; number <= 3; number++) await send(slice('s', 'a', number));
    await send(slice('s', 'b', 1, { Modality: 'SR', SeriesNumber: 9 }));
    expect(await changes()).toEqual(['created 1']);
    expect(await completeDueStudies(completion(), () => undefined)).toBe(0);
    await complete();
    const [completed, ...others] = await events();
    expect(others).toEqual([]);
    expect(completed?.value).toMatchObject({
      studyInstanceUid: uid('s'),
      revision: 1,
      evidence: 'COMPLETENESS_EVIDENCE_QUIET_PERIOD',
      series: [
        { seriesInstanceUid: uid('s/a'), modality: 'CT', instanceCount: 3 },
        { seriesInstanceUid: uid('s/b'), modality: 'SR', instanceCount: 1 },
      ],
    });
    expect(await completeDueStudies(completion(), () => undefined)).toBe(0);
  });

  it('is completed by one of several replicas only', async () => {
    for (let study = 0; study < 8; study++) await send(slice(`s${study}`, 'a', 1));
    await sleep(450);
    const counts = await Promise.all(
      Array.from({ length: 4 }, () => completeDueStudies(completion(), () => undefined)),
    );
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(8);
    expect((await changes()).filter((change) => change === 'completed 1')).toHaveLength(8);
  });

  it('puts no name, Patient ID, accession number or birth date into events', async () => {
    await send(slice('s', 'a', 1));
    await complete();
    const text = JSON.stringify(await events());
    for (const secret of ['P-1', 'Müller', 'ller^Anna', 'ACC-1', '19700131']) expect(text).not.toContain(secret);
  });

  it('reopens with the next revision when a source instance comes late, and completes again', async () => {
    await send(slice('s', 'a', 1));
    await complete();
    await send(slice('s', 'late', 1));
    await complete();
    expect(await changes()).toEqual(['created 1', 'completed 1', 'reopened 2', 'completed 2']);
  });

  it('is not reopened by what Callosum issued, whoever sends it', async () => {
    await send(slice('s', 'a', 1));
    await complete();
    await send(slice('s', 'seg', 1, { Modality: 'SEG' }), { issued: true, source: 'PACS' });
    await sleep(450);
    expect(await completeDueStudies(completion(), () => undefined)).toBe(0);
    expect(await changes()).toEqual(['created 1', 'completed 1', 'results 1']);
    const { study } = await grpc().getStudy({ studyInstanceUid: uid('s') });
    expect(study.series.map(({ modality, issuedByCallosum }) => [modality, issuedByCallosum])).toEqual([
      ['CT', false],
      ['SEG', true],
    ]);
  });

  it('takes redelivered and resent instances without a word', async () => {
    const stored = store(slice('s', 'a', 1));
    expect(await index(stored)).toBe('indexed');
    await complete();
    expect(await index(stored)).toBe('refreshed');
    expect(await changes()).toEqual(['created 1', 'completed 1']);
  });

  it('keeps counts right when instances of one study are indexed at once', async () => {
    const all = Array.from({ length: 24 }, (_, i) => store(slice('s', i % 2 ? 'a' : 'b', i)));
    await Promise.all(all.map(index));
    const { study } = await grpc().getStudy({ studyInstanceUid: uid('s') });
    expect(study.series.map(({ instances }) => instances.length)).toEqual([12, 12]);
    expect(await changes()).toEqual(['created 1']);
    await complete();
    const [completed] = await events();
    expect(
      (completed?.value['series'] as { instanceCount: number }[]).map(({ instanceCount }) => instanceCount),
    ).toEqual([12, 12]);
  });
});

describe('a released association', () => {
  const release = (instanceCount: number) =>
    database.db
      .transaction()
      .execute((trx) =>
        recordRelease(
          trx,
          { studyInstanceUid: uid('s'), associationId: 'a1', instanceCount, releasedAt: new Date().toISOString() },
          periods.releasedQuietPeriodMs,
        ),
      );

  it('shortens the quiet period once everything it announced is indexed, never to nothing', async () => {
    await send(slice('s', 'a', 1));
    await release(1);
    expect(await completeDueStudies(completion(), () => undefined)).toBe(0);
    expect(await complete()).toBeLessThan(350);
  });

  it('counts also when it is handled before the last instance', async () => {
    await send(slice('s', 'a', 1));
    await release(2);
    await sleep(250);
    expect(await completeDueStudies(completion(), () => undefined)).toBe(0);
    await send(slice('s', 'a', 2));
    expect(await complete()).toBeLessThan(350);
  });
});

describe('identity attributes', () => {
  it('announce a change and inconsistent sources', async () => {
    await send(slice('s', 'a', 1));
    await send(slice('s', 'a', 2, { PatientBirthDate: '19800101' }));
    expect(await changes()).toEqual(['created 1', 'identity 1']);
    expect(await grpc().getDemographics({ studyInstanceUid: uid('s') })).toMatchObject({
      patientId: 'P-1',
      patientName: 'Müller^Anna=山田^花子',
      patientBirthDate: '19700131',
      source: 'CT1',
      inconsistent: true,
    });
  });

  it('of instances Callosum issued say nothing about the source', async () => {
    await send(slice('s', 'a', 1));
    await send(slice('s', 'seg', 1, { PatientID: 'X' }), { issued: true });
    expect(await grpc().getDemographics({ studyInstanceUid: uid('s') })).toMatchObject({
      patientId: 'P-1',
      inconsistent: false,
    });
  });
});

describe('a correction', () => {
  it('replaces the instance, reopens the study and has identity judged anew', async () => {
    await send(slice('s', 'a', 1));
    await complete();
    await send(slice('s', 'a', 1, { PatientID: 'P-2' }), { revision: 2 });
    expect(await changes()).toEqual(['created 1', 'completed 1', 'reopened+identity 2']);
    expect(await grpc().getDemographics({ studyInstanceUid: uid('s') })).toMatchObject({
      patientId: 'P-2',
      inconsistent: false,
    });
  });

  it('is not undone by the older blob arriving late', async () => {
    const first = store(slice('s', 'a', 1));
    await send(slice('s', 'a', 1, { PatientID: 'P-2' }), { revision: 2 });
    expect(await index(first)).toBe('superseded');
    expect((await grpc().getDemographics({ studyInstanceUid: uid('s') })).patientId).toBe('P-2');
  });

  it('moves an instance to another study and tells both', async () => {
    await send(slice('s', 'a', 1));
    await send(slice('s', 'a', 2));
    await complete();
    await events();
    await send(slice('s', 'a', 2, { StudyInstanceUID: uid('t'), SeriesInstanceUID: uid('t/a') }), { revision: 2 });
    const told = await events();
    expect(told.map(({ value }) => [value['studyInstanceUid'], value['revision'], value['changes']])).toEqual(
      expect.arrayContaining([
        [uid('s'), 2, ['STUDY_CHANGE_REOPENED']],
        [uid('t'), 1, ['STUDY_CHANGE_CREATED']],
      ]),
    );
    const { study } = await grpc().getStudy({ studyInstanceUid: uid('s') });
    expect(study.series.map(({ instances }) => instances.length)).toEqual([1]);
  });
});

describe('an unreadable object', () => {
  it('is refused for good, so that its event is parked', async () => {
    const stored = store(slice('s', 'a', 1));
    blobs.set(stored.blob.key, new Uint8Array(stored.blob.byteCount));
    await expect(index(stored)).rejects.toMatchObject({ code: 'dicom.unparsable', retriable: false });
  });

  it('is refused when it is another instance than announced', async () => {
    const stored = store(slice('s', 'a', 1));
    await expect(index({ ...stored, sopInstanceUid: uid('other') })).rejects.toMatchObject({
      code: 'study-index.instance-mismatch',
    });
  });

  it('is indexed though text in it is broken: NUL and half characters', async () => {
    await send(slice('s', 'a', 1, { SeriesDescription: 'ax\0ial', PatientComments: 'x\ud800y' }));
    const { study } = await grpc().getStudy({ studyInstanceUid: uid('s') });
    expect(study.series).toHaveLength(1);
  });
});

async function find(request: Partial<imaging.SearchRequest> & { level: imaging.QueryLevel }): Promise<DicomJson[]> {
  const all = {
    matches: [],
    includeTags: [],
    includeAll: false,
    limit: 0,
    offset: 0,
    fuzzyMatching: false,
    ...request,
  };
  const found: DicomJson[] = [];
  for await (const dataset of search(new PostgresSearchStore(database.db), all)) found.push(dataset);
  return found;
}
const studies = (matches: Record<string, string>, more: Partial<imaging.SearchRequest> = {}) =>
  find({
    level: imaging.QueryLevel.QUERY_LEVEL_STUDY,
    matches: Object.entries(matches).map(([tag, value]) => ({ tag, value })),
    ...more,
  });
const uidsOf = (found: readonly DicomJson[]): unknown[] => found.map((dataset) => dataset['0020000D']?.Value?.[0]);

describe('search', () => {
  beforeEach(async () => {
    await send(slice('s', 'a', 1));
    await send(slice('s', 'a', 2));
    await send(slice('s', 'b', 1, { Modality: 'SR', SeriesNumber: 9 }));
    await send(
      slice('t', 'a', 1, {
        PatientID: 'p-1',
        PatientName: "O'Neill^Sean",
        StudyDate: '20250601',
        StudyTime: '235959.5',
        AccessionNumber: '',
      }),
    );
  });

  it.each<[string, Record<string, string>, string[]]>([
    ['nothing: all, newest first', {}, ['s', 't']],
    ['a single value, case-sensitive', { '00100020': 'P-1' }, ['s']],
    ['a wildcard', { '00100020': '?-1' }, ['s', 't']],
    ['LIKE characters as themselves', { '00081030': '*100%' }, ['s', 't']],
    ['LIKE characters that are not there', { '00100020': '_-1' }, []],
    ['a name whatever its case and diacritics', { '00100010': 'MULLER^ANNA' }, ['s']],
    ['a name by wildcard', { '00100010': 'mül*' }, ['s']],
    ['an ideographic name', { '00100010': '山田*' }, ['s']],
    ['a name with a quote', { '00100010': "o'neill*" }, ['t']],
    ['a date', { '00080020': '20260102' }, ['s']],
    ['a date range', { '00080020': '20250101-20251231' }, ['t']],
    ['an open date range', { '00080020': '20250601-' }, ['s', 't']],
    ['a time range', { '00080030': '1000-11' }, ['s']],
    ['the fraction of the last second', { '00080030': '235959' }, ['t']],
    ['Modalities in Study', { '00080061': 'SR' }, ['s']],
    ['Modalities in Study by wildcard', { '00080061': 'C*' }, ['s', 't']],
    ['a UID list', { '0020000D': `${uid('t')}\\${uid('s')}` }, ['s', 't']],
    ['an accession number', { '00080050': 'ACC-1' }, ['s']],
    ['universal matching', { '00080050': '*', '00100020': '' }, ['s', 't']],
    ['a study attribute without a column', { '00100040': 'F' }, ['s', 't']],
    ['text that is SQL', { '00100020': "x' or '1'='1" }, []],
  ])('finds by %s', async (_, matches, expected) => {
    expect(uidsOf(await studies(matches))).toEqual(expected.map(uid));
  });

  it('finds names by the beginnings of their parts when matching is fuzzy', async () => {
    expect(uidsOf(await studies({ '00100010': 'ann mul' }, { fuzzyMatching: true }))).toEqual([uid('s')]);
    expect(uidsOf(await studies({ '00100010': 'neil.*' }, { fuzzyMatching: true }))).toEqual([]);
  });

  it('returns the attributes of the level, counts, and what was asked for besides', async () => {
    const [study] = await studies({ '0020000D': uid('s') });
    expect(study).toMatchObject({
      '00080061': { vr: 'CS', Value: ['CT', 'SR'] },
      '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Müller^Anna', Ideographic: '山田^花子' }] },
      '00201206': { vr: 'IS', Value: [2] },
      '00201208': { vr: 'IS', Value: [3] },
    });
    expect(study).not.toHaveProperty('00080060');
    expect(Object.keys(study ?? {})).toEqual(Object.keys(study ?? {}).sort());

    const series = await find({
      level: imaging.QueryLevel.QUERY_LEVEL_SERIES,
      matches: [
        { tag: '0020000D', value: uid('s') },
        { tag: '00080060', value: 'CT' },
      ],
    });
    expect(series).toHaveLength(1);
    expect(series[0]).toMatchObject({ '0020000E': { Value: [uid('s/a')] }, '00201209': { Value: [2] } });
    expect(series[0]).not.toHaveProperty('00100010');

    const instances = await find({
      level: imaging.QueryLevel.QUERY_LEVEL_INSTANCE,
      matches: [{ tag: '00200013', value: '2' }],
      includeTags: ['00200032'],
    });
    expect(instances).toHaveLength(1);
    expect(instances[0]).toMatchObject({
      '00200032': { Value: [0, 0, 5] },
      '00100020': { Value: ['P-1'] },
      '00080060': { Value: ['CT'] },
    });
  });

  it('pages in a stable order', async () => {
    const level = imaging.QueryLevel.QUERY_LEVEL_INSTANCE;
    const all = (await find({ level })).map((dataset) => dataset['00080018']?.Value?.[0]);
    const pages: unknown[] = [];
    for (let offset = 0; offset < 5; offset += 2) {
      pages.push(...(await find({ level, limit: 2, offset })).map((dataset) => dataset['00080018']?.Value?.[0]));
    }
    expect(all).toHaveLength(4);
    expect(pages).toEqual(all);
  });

  it.each([
    ['0020000D', '1.2.x'],
    ['00080020', 'yesterday'],
    ['PatientID', 'x'],
    ['00080060', 'CT'],
  ])('refuses %s=%s at study level', async (tag, value) => {
    await expect(studies({ [tag]: value })).rejects.toMatchObject({ code: 'study-index.malformed-match' });
  });

  it('uses the index for a Patient ID', async () => {
    await sql`analyze study`.execute(database.db);
    const plan = await database.db.transaction().execute(async (trx) => {
      await sql`set local enable_seqscan = off`.execute(trx);
      return sql<{
        'QUERY PLAN': string;
      }>`explain select 1 from study st where (st.patient_id = ${'P-1'}::text)`.execute(trx);
    });
    expect(JSON.stringify(plan.rows)).toContain('study_by_patient_id');
  });
});

describe('gRPC', () => {
  it('gives metadata without pixels and locates native frames', async () => {
    await send(slice('s', 'a', 2));
    await send(slice('s', 'a', 1));
    const request = { studyInstanceUid: uid('s'), seriesInstanceUid: '', sopInstanceUid: '' };
    const metadata = await collect(grpc().streamMetadata(request));
    expect(metadata.map(({ sopInstanceUid }) => sopInstanceUid)).toEqual([uid('s/a/1'), uid('s/a/2')]);
    const first = JSON.parse(metadata[0]?.dicomJson ?? '{}') as DicomJson;
    expect(first['7FE00010']).toEqual({
      vr: 'OW',
      BulkDataURI: `/dicom-web/studies/${uid('s')}/series/${uid('s/a')}/instances/${uid('s/a/1')}/bulkdata/7FE00010`,
    });
    const [located] = await collect(grpc().locateInstances(request));
    const blob = blobs.get(located?.instance?.blob?.key ?? '');
    const { nativeOffset = 0n, nativeFrameBytes = 0n } = located?.pixelData ?? {};
    expect(blob?.subarray(Number(nativeOffset), Number(nativeOffset + nativeFrameBytes))).toEqual(Buffer.alloc(32, 1));
    expect(located?.instance).toMatchObject({
      hasRescale: true,
      imagePositionPatient: [0, 0, 2.5],
      sliceThickness: 2.5,
    });
  });

  it('says what is not there and what is no UID', async () => {
    await expect(grpc().getStudy({ studyInstanceUid: '1.2.3' })).rejects.toMatchObject({ kind: 'not-found' });
    await expect(grpc().getStudy({ studyInstanceUid: 'x' })).rejects.toMatchObject({ kind: 'invalid' });
    const nowhere = { studyInstanceUid: '1.2.3', seriesInstanceUid: '', sopInstanceUid: '' };
    await expect(collect(grpc().streamMetadata(nowhere))).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('reads the header only, not the pixels', async () => {
    await send(slice('s', 'a', 1, { Rows: 2048, Columns: 2048, PixelData: new Uint8Array(2048 * 2048 * 2) }));
    expect(reads.reduce((sum, count) => sum + count, 0)).toBeLessThan(64 * 1024);
  });
});

async function collect<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const row of rows) all.push(row);
  return all;
}

/** Everything the index says about its content; when a study completed and its revision are history, not content. */
async function content(): Promise<unknown> {
  const tables = ['patient', 'study', 'series', 'instance'] as const;
  const history = ['seen_at', 'completed_at', 'quiet_until', 'traceparent', 'correlation_id', 'revision'];
  const result: Record<string, unknown> = {};
  for (const table of tables) {
    const { rows } = await sql<{
      row: Record<string, unknown>;
    }>`select to_jsonb(t) as row from ${sql.table(table)} t order by 1`.execute(database.db);
    result[table] = rows.map(({ row }) =>
      Object.fromEntries(Object.entries(row).filter(([name]) => !history.includes(name))),
    );
  }
  return result;
}

describe('reindex', () => {
  async function fill(): Promise<void> {
    for (let number = 1; number <= 4; number++) await send(slice('s', 'a', number));
    await send(slice('s', 'a', 2, { PatientName: 'Müller^Anne' }), { revision: 2 });
    await send(slice('s', 'seg', 1, { Modality: 'SEG' }), { issued: true });
    await send(slice('t', 'a', 1, { PatientID: 'P-9' }), { source: 'MR2' });
    await send(slice('t', 'a', 2), { source: 'CT1' });
    await sleep(450);
    await completeDueStudies(completion(), () => undefined);
  }

  it('of an empty index gives what the events gave', async () => {
    await fill();
    const before = await content();
    await sql`truncate patient, study, series, instance, release, revision cascade`.execute(database.db);
    const progress = await collect(reindex().run());
    expect(progress.at(-1)).toEqual({ done: 7, total: 7, failed: 0 });
    await sleep(450);
    await completeDueStudies(completion(), () => undefined);
    expect(await content()).toEqual(before);
  });

  it('of a whole index changes nothing and tells nobody', async () => {
    await fill();
    await events();
    const before = await content();
    await collect(reindex().run());
    expect(await content()).toEqual(before);
    expect(await events()).toEqual([]);
  });

  it('repairs rows that are wrong, missing or too many, and keeps revisions rising', async () => {
    await fill();
    const before = await content();
    await send(slice('s', 'stray', 1));
    await complete();
    await sql`update series set modality = 'XX'`.execute(database.db);
    await sql`update study set study_description = 'wrong', attributes = '{}'`.execute(database.db);
    await sql`delete from instance where sop_instance_uid = ${uid('s/a/3')}`.execute(database.db);
    ledger.delete(uid('s/stray/1'));
    await collect(reindex().run());
    await complete();
    expect(await content()).toEqual(before);
    expect((await grpc().getStudy({ studyInstanceUid: uid('s') })).study.revision).toBeGreaterThan(2);
  });

  it('passes over an unreadable object and says so', async () => {
    await fill();
    const broken = ledger.get(uid('t/a/1'));
    if (broken) blobs.set(broken.blob.key, new Uint8Array(broken.blob.byteCount));
    const before = await content();
    expect((await collect(reindex().run())).at(-1)).toMatchObject({ done: 7, failed: 1 });
    expect(await content()).toEqual(before);
  });
});

const folders = ['ct-chest', 'wsi-small', 'us', 'mr-t1', 'ecg'].flatMap((name) => testDataPath('studies', name) ?? []);
describe.skipIf(folders.length === 0)('real studies', () => {
  it.each(folders)('are indexed with frames where they are: %s', async (folder) => {
    const files = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name)))
      .filter((bytes) => bytes.subarray(128, 132).toString('latin1') === 'DICM')
      .slice(0, 40);
    const stored = files.map((bytes) => store(bytes));
    for (const one of stored) await index(one);
    const found = await find({ level: imaging.QueryLevel.QUERY_LEVEL_STUDY });
    const counted = found.reduce((sum, study) => sum + Number(study['00201208']?.Value?.[0]), 0);
    expect(counted).toBe(ledger.size);
    const located: imaging.LocateInstancesResponse[] = [];
    for (const studyInstanceUid of new Set(stored.map((one) => one.studyInstanceUid))) {
      located.push(
        ...(await collect(grpc().locateInstances({ studyInstanceUid, seriesInstanceUid: '', sopInstanceUid: '' }))),
      );
    }
    expect(located).toHaveLength(ledger.size);
    for (const { instance, pixelData } of located) {
      if (!pixelData) continue;
      const size = BigInt(instance?.blob?.byteCount ?? 0n);
      if (pixelData.encapsulated) expect(pixelData.frames).toHaveLength(instance?.numberOfFrames ?? 0);
      const end = pixelData.encapsulated
        ? (pixelData.frames.at(-1)?.fragments?.at(-1)?.offset ?? 0n)
        : (pixelData.nativeOffset ?? 0n) + BigInt(instance?.numberOfFrames ?? 0) * (pixelData.nativeFrameBytes ?? 0n);
      expect(end).toBeGreaterThan(0n);
      expect(end).toBeLessThanOrEqual(size);
    }
  });
});

it('states its periods within bounds', () => {
  expect(quietPeriods(10_000).releasedQuietPeriodMs).toBe(1_000);
});
