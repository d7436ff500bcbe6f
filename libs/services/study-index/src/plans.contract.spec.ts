import { imaging } from '@callosum/contracts';
import { allowSilence } from '@callosum/database';
import type { QueryKey as Key } from '@callosum/dicom';
import { fillIndex, fullReads, recordStatements, type Statement } from '@callosum/testing';
import { beforeAll, describe, expect, it } from 'vitest';

import { PostgresIndexQueries } from './adapters/queries.js';
import { PostgresReindexTarget } from './adapters/reindex-target.js';
import { PostgresSearchStore } from './adapters/search.js';
import { judgeStudy } from './adapters/statements.js';
import { PostgresStudyTexts } from './adapters/study-text.js';
import { unindexedOf } from './adapters/unindexed.js';
import type { Level } from './domain/keys.js';
import { slice } from './test-support/objects.js';
import {
  collect,
  completion,
  database,
  find,
  periods,
  send,
  sweep,
  tellStep,
  useIndex,
} from './test-support/study-index.js';

const rows = 60_000;
const large = [
  'study',
  'study_text',
  'series',
  'instance',
  'instance_frames',
  'release',
  'revision',
  'inbox',
  'procedure_step',
];
const {
  QUERY_LEVEL_PATIENT: PATIENT,
  QUERY_LEVEL_STUDY: STUDY,
  QUERY_LEVEL_SERIES: SERIES,
  QUERY_LEVEL_INSTANCE: INSTANCE,
} = imaging.QueryLevel;

describe(`no query of the index reads a table of ${rows} instances from end to end`, () => {
  useIndex();
  let recorded: Statement[];
  let known: { sop_instance_uid: string; study_instance_uid: string; series_instance_uid: string };

  beforeAll(async () => {
    recorded = recordStatements(database.pool);
    const client = await database.pool.connect();
    await client.query('set statement_timeout = 0');
    await allowSilence(500_000, async () => {
      await client.query(fillIndex(rows));
      // A study of 500 instances is one of 120 here: as many more as the planner needs to think of a site's.
      await client.query(`insert into study select (jsonb_populate_record(s, jsonb_build_object(
          'study_instance_uid', s.study_instance_uid || '.' || n, 'patient_id', s.patient_id || '.' || n,
          'accession_number', s.accession_number || '.' || n, 'name_key', s.name_key || n))).*
        from study s, generate_series(1, 200) as n`);
      await client.query(`insert into series select (jsonb_populate_record(e, jsonb_build_object(
          'study_instance_uid', e.study_instance_uid || '.' || n, 'series_instance_uid', e.series_instance_uid || '.' || n))).*
        from series e, generate_series(1, 60) as n`);
      await client.query(
        "insert into release select 'r' || n, 'a', 1, now(), now() from generate_series(1, 20000) as n",
      );
      await client.query(`insert into instance_frames
        select sop_instance_uid, 0, blob_key, '\\x01' from instance`);
      await client.query(`insert into procedure_step (study_instance_uid, procedure_step_uid, step_revision, status, series,
          study_count, source, changed_at)
        select 'm' || n, 'p' || n, 1, 'completed', '[]', 1, 'CT1', now() from generate_series(1, 20000) as n`);
      const texts = new PostgresStudyTexts(database.db);
      while ((await texts.writeSome()) > 0);
      await client.query('vacuum analyze');
      [known] = (
        await client.query<typeof known>('select * from instance order by sop_instance_uid offset 30000 limit 1')
      ).rows as [typeof known];
    });
    client.release(true);
  }, 600_000);

  const ask =
    (level: imaging.QueryLevel, matches: Record<string, string>, fuzzyMatching = false) =>
    (): Promise<unknown> =>
      find({
        level,
        matches: Object.entries(matches).map(([tag, value]) => ({ tag, value })),
        limit: 20,
        fuzzyMatching,
      });
  /** Three pages of what goes over all of the archive; instances are asked for by study. */
  const pages = (level: Level) => async (): Promise<void> => {
    const store = new PostgresSearchStore(database.db);
    const keys: Key[] =
      level === 'instance'
        ? [{ path: ['0020000D'], condition: { kind: 'equal', values: [known.study_instance_uid] } }]
        : [];
    const query = { level, keys, tags: [], withSopClasses: false, withPatientCounts: false, onePerPatient: true };
    const first = await store.page(query, { limit: 7, offset: 0 });
    const second = await store.page(query, { after: first.next ?? {}, limit: 7, offset: 0 });
    await store.page(query, { after: second.next ?? {}, limit: 7, offset: 0 });
  };
  const queries = (): PostgresIndexQueries => new PostgresIndexQueries(database.db);
  const series = () => ({ '0020000D': known.study_instance_uid, '0020000E': known.series_instance_uid });

  it.each<[string, () => Promise<unknown>]>([
    ['the newest studies', ask(STUDY, {})],
    ['StudyInstanceUID', () => ask(STUDY, { '0020000D': known.study_instance_uid })()],
    ['PatientID', ask(STUDY, { '00100020': 'MRN7' })],
    ['PatientID that begins with', ask(STUDY, { '00100020': 'MRN77*' })],
    ['AccessionNumber', ask(STUDY, { '00080050': 'ACC77' })],
    ['StudyDate', ask(STUDY, { '00080020': '20100301' })],
    ['a range of StudyDate', ask(STUDY, { '00080020': '20100301-20100305' })],
    ['PatientName that begins with', ask(STUDY, { '00100010': 'NAME^7*' })],
    ['PatientName that has something in it', ask(STUDY, { '00100010': '*ame^77*' })],
    ['words of a PatientName', ask(STUDY, { '00100010': 'name 77' }, true)],
    ['parts of words of a PatientName', ask(STUDY, { '00100010': '*ame*77*' }, true)],
    ['PatientID that has something in it', ask(STUDY, { '00100020': '*RN77*' })],
    ['PatientID that nobody has', ask(STUDY, { '00100020': '*nobody*' })],
    ['AccessionNumber that has something in it', ask(STUDY, { '00080050': '*CC7?.1*' })],
    ['StudyDescription that all have', ask(STUDY, { '00081030': '*CHEST*' })],
    ['StudyDescription that begins as none does', ask(STUDY, { '00081030': 'KNEE*' })],
    ['StudyDescription that is one of nobody', ask(STUDY, { '00081030': 'KNEE LEFT' })],
    ['StudyDescription that none has', ask(STUDY, { '00081030': '*KNEE*' })],
    [
      "all that a viewer's list has fields for",
      ask(
        STUDY,
        {
          '00100010': '*name*',
          '00100020': '*MRN7*',
          '00080050': '*ACC7*',
          '00080020': '20100301-20200305',
          '00080061': 'CT\\MR',
          '00081030': '*CHEST*',
        },
        true,
      ),
    ],
    ['texts that are to be written', () => new PostgresStudyTexts(database.db).writeSome()],
    ['a birth date', ask(STUDY, { '00100030': '19700131' })],
    ['StudyID', ask(STUDY, { '00200010': 'ID77' })],
    ['ReferringPhysicianName', ask(STUDY, { '00080090': 'smith^*' })],
    ['patients', ask(PATIENT, {})],
    ['a patient', ask(PATIENT, { '00100020': 'MRN7' })],
    ['patients whose name begins with', ask(PATIENT, { '00100010': 'NAME^7*' })],
    ['studies page by page', pages('study')],
    ['patients page by page', pages('patient')],
    ['series page by page', pages('series')],
    ['instances of a study page by page', pages('instance')],
    ['ModalitiesInStudy', ask(STUDY, { '00080061': 'MG' })],
    ['the series of a study', () => ask(SERIES, { '0020000D': known.study_instance_uid })()],
    ['a series alone', () => ask(SERIES, { '0020000E': known.series_instance_uid })()],
    ['the instances of a series', () => ask(INSTANCE, series())()],
    ['an instance alone', () => ask(INSTANCE, { '00080018': known.sop_instance_uid })()],
    ['a study with all of it', () => queries().study(known.study_instance_uid)],
    ['metadata', () => collect(queries().metadata({ studyInstanceUid: known.study_instance_uid }))],
    ['metadata in pieces', () => collect(queries().fragments({ studyInstanceUid: known.study_instance_uid }))],
    [
      'the frames of an instance',
      () =>
        queries().framesOfInstance(
          {
            studyInstanceUid: known.study_instance_uid,
            seriesInstanceUid: known.series_instance_uid,
            sopInstanceUid: known.sop_instance_uid,
          },
          [1, 5_000],
        ),
    ],
    [
      'the frames of a series',
      () =>
        queries().singleFrames(
          { studyInstanceUid: known.study_instance_uid, seriesInstanceUid: known.series_instance_uid },
          4_096,
        ),
    ],
    [
      'which blobs of a study are not indexed',
      () =>
        queries().unindexed(
          known.study_instance_uid,
          Array.from({ length: 10_000 }, (_, i) => `default/${i}`),
        ),
    ],
    [
      'locations of a series',
      () =>
        collect(
          queries().locations({
            studyInstanceUid: known.study_instance_uid,
            seriesInstanceUid: known.series_instance_uid,
          }),
        ),
    ],
    ['blobs of a study', () => collect(queries().blobs({ studyInstanceUid: known.study_instance_uid }))],
    ['an instance that comes', () => send(slice('new', 'a', 1))],
    ['studies that are due', sweep],
    ['studies that wait to be complete', () => completion().waiting()],
    [
      'what of a large study is not indexed',
      async () => {
        const { rows: all } = await database.pool.query<{ uid: string }>(
          'select sop_instance_uid as uid from instance limit 5000',
        );
        recorded.length = 0;
        const acknowledged = [...all.map(({ uid }) => uid), '1.2.3'].map((uid) => ({
          sopInstanceUid: uid,
          revision: 1,
          storedAt: new Date(0),
        }));
        expect(await unindexedOf(database.db, known.study_instance_uid, acknowledged)).toHaveLength(1);
      },
    ],
    ['releases that are forgotten', () => completion().forgetOldReleases()],
    ['procedure steps that are forgotten', () => completion().forgetOldSteps()],
    ['patients that are forgotten', () => completion().forgetPatients()],
    [
      'a procedure step of several studies, and what it makes of one',
      async () => {
        const series = [{ seriesInstanceUid: known.series_instance_uid, instanceCount: 100, instancesDigest: 'd' }];
        const step = { procedureStepUid: 'p', stepRevision: 1, status: 'completed', series, studyCount: 2 } as const;
        await tellStep('another', { ...step, discontinuationReason: undefined, source: 'CT1', changedAt: new Date(0) });
        expect((await judgeStudy(database.db, 'another')).judged.missing).toBe(0);
      },
    ],
    [
      'what a reindex has not seen',
      () => new PostgresReindexTarget(database.db, {} as never, {} as never, periods).removeUnseen(new Date(0)),
    ],
  ])('%s', async (_what, work) => {
    recorded.length = 0;
    await work();
    const statements = [...recorded];
    expect(statements.length).toBeGreaterThan(0);
    for (const statement of statements)
      expect(await fullReads(database.pool, statement, large), statement.text).toEqual([]);
  });

  const planOf = async ({ text, values }: Statement): Promise<string> => {
    const { rows: plan } = await database.pool.query<{ 'QUERY PLAN': string }>(`explain ${text}`, [...values]);
    return plan.map((row) => row['QUERY PLAN']).join('\n');
  };

  it('a birth date is found by its index, however it was written', async () => {
    recorded.length = 0;
    await ask(STUDY, { '00100030': '19700131' })();
    const [statement] = recorded.filter(({ text }) => text.includes('from study st'));
    expect(statement && (await planOf(statement))).toContain('study_by_birth_date');
  });

  it('texts that are to be written are found by the index of those', async () => {
    recorded.length = 0;
    await new PostgresStudyTexts(database.db).writeSome();
    await ask(STUDY, { '00100020': '*RN77*' })();
    const statements = recorded.filter(({ text }) => text.includes('is distinct from md5'));
    expect(statements).toHaveLength(2);
    for (const statement of statements) expect(await planOf(statement)).toContain('study_unwritten_text');
  });
});
