import { orSkip, startPostgres, type TestPostgres } from '@callosum/testing';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { emptyIndex } from '../index-tables.js';
import { fillStudies, studyInstanceUidOf } from './fill.js';

const postgres = await orSkip(() => startPostgres());
/** More than a 32-bit number can multiply with what spreads them. */
const studies = 5_000;

describe.skipIf(postgres.missing !== undefined)('an archive written straight into the index', () => {
  const { admin, stop } = postgres.server as TestPostgres;
  let client: pg.Client | undefined;

  beforeAll(async () => {
    client = await emptyIndex(admin);
    await fillStudies(admin, studies);
  });
  afterAll(async () => {
    await client?.end();
    await stop();
  });
  const one = async (text: string, values: unknown[] = []): Promise<Record<string, unknown>> =>
    (await (client ?? expect.unreachable('the index was not filled')).query(text, values)).rows[0] as never;

  it('has as many studies as were asked for, each of one series and one instance', async () => {
    expect(
      await one(`select count(*)::int as studies, count(distinct accession_number)::int as numbers,
        count(distinct patient_id)::int as patients, count(distinct study_date)::int as days,
        count(distinct split_part(name_key, '^', 1))::int as families from study`),
    ).toEqual({ studies, numbers: studies, patients: 1_667, days: 19, families: 239 });
    expect(
      await one(`select count(*)::int as instances from study join series using (study_instance_uid)
        join instance using (study_instance_uid, series_instance_uid) join patient using (patient_digest)`),
    ).toEqual({ instances: studies });
  });

  it('says the same in columns and attributes, and names its studies by number', async () => {
    const { study, columns } = await one(
      `select attributes as study, jsonb_build_array(patient_id, patient_name, accession_number, study_date, study_description)
        as columns from study where study_instance_uid = $1`,
      [studyInstanceUidOf(4_711)],
    );
    const value = (tag: string): unknown => (study as Record<string, { Value: unknown[] }>)[tag]?.Value[0];
    expect(columns).toEqual([
      value('00100020'),
      (value('00100010') as { Alphabetic: string }).Alphabetic,
      value('00080050'),
      value('00080020'),
      value('00081030'),
    ]);
    expect(await one('select lower(patient_name) = name_key as same, modalities from study limit 1')).toMatchObject({
      same: true,
    });
  });
});
