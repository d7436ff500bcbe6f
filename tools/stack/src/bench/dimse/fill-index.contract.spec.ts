import { orSkip, startPostgres, type TestPostgres } from '@callosum/testing';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { emptyIndex } from '../index-tables.js';
import { fillIndex } from './fill-index.js';
import { studyOf, studyQueries } from './studies.js';

const postgres = await orSkip(() => startPostgres());
const studies = 2_000;

describe.skipIf(postgres.missing !== undefined)('studies written straight into the index', () => {
  const { admin, stop } = postgres.server as TestPostgres;
  let client: pg.Client | undefined;

  beforeAll(async () => {
    client = await emptyIndex(admin);
    await fillIndex(admin, studies);
  });
  afterAll(async () => {
    await client?.end();
    await stop();
  });

  const asked = (): pg.Client => client ?? expect.unreachable('the index was not filled');

  /** Match keys as conditions on the columns that study-index looks them up in. */
  const columns: Readonly<Record<string, (value: string) => [string, unknown[]]>> = {
    StudyInstanceUID: (value) => ['study_instance_uid = $1', [value]],
    PatientID: (value) => ['patient_id = $1', [value]],
    AccessionNumber: (value) => ['accession_number = $1', [value]],
    // Names are folded.
    PatientName: (value) => ['name_key like $1', [value.toLowerCase().replace('*', '%')]],
    StudyDate: (value) => ['study_date between $1 and $2', value.split('-')],
    ModalitiesInStudy: (value) => ['modalities && $1', [[value]]],
  };

  it.each(studyQueries(studies))('$name finds as many as expected', async ({ keys, matches }) => {
    const expected = Array.from({ length: studies }, (_, n) => studyOf(n)).filter(matches);
    const conditions: string[] = [];
    const values: unknown[] = [];
    for (const [key, value] of Object.entries(keys)) {
      const [condition, own] = columns[key]?.(value) ?? ['false', []];
      conditions.push(condition.replace(/\$(\d)/g, (_, place: string) => `$${values.length + Number(place)}`));
      values.push(...own);
    }
    const where = ['instance_count > 0', ...conditions].join(' and ');
    const { rows } = await asked().query<{ uid: string }>(
      `select study_instance_uid as uid from study where ${where} order by 1`,
      values,
    );
    expect(rows.map(({ uid }) => uid)).toEqual(expected.map(({ studyInstanceUid }) => studyInstanceUid).sort());
  });

  it('a study has its series and instance, and the attributes that are returned', async () => {
    const { rows } = await asked().query<{ attributes: Record<string, unknown>; metadata: Record<string, unknown> }>(
      `select st.attributes, i.metadata from study st join series se using (study_instance_uid)
       join instance i using (study_instance_uid, series_instance_uid) where st.study_instance_uid = $1`,
      [studyOf(5).studyInstanceUid],
    );
    expect(rows).toHaveLength(1);
    expect(rows[0]?.attributes).toMatchObject({ '00080050': { vr: 'SH', Value: ['ACC00000005'] } });
    expect(rows[0]?.metadata).toMatchObject({ '00080018': { Value: [studyOf(5).sopInstanceUid] } });
  });
});
