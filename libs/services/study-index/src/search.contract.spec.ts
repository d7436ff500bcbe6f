import { imaging } from '@callosum/contracts';
import type { DicomJson } from '@callosum/dicom';
import { sql } from 'kysely';
import { beforeEach, describe, expect, it } from 'vitest';

import { slice, uid } from './test-support/objects.js';
import { clearIndex, database, find, send, useIndex } from './test-support/study-index.js';

useIndex();
beforeEach(clearIndex);

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
    ['a name whatever its case', { '00100010': 'MÜLLER^ANNA' }, ['s']],
    ['a name with its accents only', { '00100010': 'MULLER^ANNA' }, []],
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

  it('finds names by the beginnings of their parts, without accents, when matching is fuzzy', async () => {
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

  it('returns all attributes of levels above that QIDO-RS wants, with what is counted, and of others the unique keys', async () => {
    const { QUERY_LEVEL_STUDY: study, QUERY_LEVEL_SERIES: series, QUERY_LEVEL_INSTANCE: instance } = imaging.QueryLevel;
    const ofStudy = {
      '00080061': { Value: ['CT', 'SR'] },
      '00100020': { Value: ['P-1'] },
      '00201206': { Value: [2] },
      '00201208': { Value: [3] },
    };
    const ofSeries = { '00080060': { Value: ['CT'] }, '00201209': { Value: [2] } };
    const bound = [
      { tag: '0020000D', value: `${uid('s')}\\${uid('none')}` },
      { tag: '0020000E', value: uid('s/a') },
    ];
    const first = async (level: imaging.QueryLevel, returnedLevels: imaging.QueryLevel[], more = {}) =>
      (await find({ level, returnedLevels, matches: bound, ...more }))[0];
    expect(await first(series, [study, series])).toMatchObject({ ...ofStudy, ...ofSeries });
    expect(await first(instance, [study, series, instance])).toMatchObject({ ...ofStudy, ...ofSeries });
    expect(await first(instance, [study, series, instance], { includeAll: true })).toMatchObject({
      ...ofStudy,
      ...ofSeries,
    });
    const ofStudyPath = await first(instance, [series, instance]);
    expect(ofStudyPath).toMatchObject({ ...ofSeries, '0020000D': { Value: [uid('s')] } });
    const ofSeriesPath = await first(instance, [instance]);
    expect(ofSeriesPath).toMatchObject({ '0020000D': { Value: [uid('s')] }, '0020000E': { Value: [uid('s/a')] } });
    for (const tag of Object.keys(ofStudy)) expect(ofStudyPath).not.toHaveProperty([tag]);
    for (const tag of Object.keys({ ...ofStudy, ...ofSeries })) expect(ofSeriesPath).not.toHaveProperty([tag]);
  });

  it('takes keys for the path of a request whose door does not say which levels it returns', async () => {
    const level = imaging.QueryLevel.QUERY_LEVEL_SERIES;
    const [all] = await find({ level, matches: [{ tag: '00080060', value: 'SR' }] });
    expect(all).toMatchObject({ '00100020': { Value: ['P-1'] }, '00201208': { Value: [3] } });
    const [bound] = await find({ level, matches: [{ tag: '0020000D', value: uid('s') }] });
    expect(bound).not.toHaveProperty('00100020');
    expect(bound).not.toHaveProperty('00201208');
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
    ['00100010.00100020', 'x'],
    ['00080050', 'x'.repeat(65_536)],
    ['0020000D', Array.from({ length: 1_001 }, (_, i) => `1.2.${i}`).join('\\')],
  ])('refuses %s=%s at study level', async (tag, value) => {
    await expect(studies({ [tag]: value })).rejects.toMatchObject({ code: 'dicom.malformed-match' });
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
