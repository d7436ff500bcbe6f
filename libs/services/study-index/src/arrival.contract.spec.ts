import { sql } from 'kysely';
import { beforeEach, describe, expect, it } from 'vitest';

import { recordRelease } from './adapters/completion.js';
import { slice, store, uid } from './test-support/objects.js';
import {
  changes,
  clearIndex,
  complete,
  completion,
  database,
  events,
  grpc,
  index,
  letPass,
  periods,
  send,
  sweep,
  useIndex,
} from './test-support/study-index.js';

useIndex();
beforeEach(clearIndex);

describe('a study that arrives', () => {
  it('is announced once, completes once after its quiet period, and says what it holds', async () => {
    for (let number = 1; number <= 3; number++) await send(slice('s', 'a', number));
    await send(slice('s', 'b', 1, { Modality: 'SR', SeriesNumber: 9 }));
    expect(await changes()).toEqual(['created 1']);
    expect(await sweep()).toBe(0);
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
    expect(await sweep()).toBe(0);
  });

  it('is completed by one of several replicas only', async () => {
    for (let study = 0; study < 8; study++) await send(slice(`s${study}`, 'a', 1));
    await letPass(periods.quietPeriodMs);
    const counts = await Promise.all(Array.from({ length: 4 }, () => sweep()));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(8);
    expect((await changes()).filter((change) => change === 'completed 1')).toHaveLength(8);
  });

  it('waits for quiet anew when its quiet period ended while nobody listened', async () => {
    await send(slice('s', 'a', 1));
    await letPass(periods.quietPeriodMs);
    // The process starts again; what was acknowledged meanwhile is still in the log.
    await completion().restartOverdueQuietPeriods();
    expect(await sweep()).toBe(0);
    await send(slice('s', 'a', 2));
    await complete();
    expect(await changes()).toEqual(['created 1', 'completed 1']);
  });

  it('keeps a quiet period that is still running when another replica starts', async () => {
    await send(slice('s', 'a', 1));
    await letPass(periods.quietPeriodMs - 60_000);
    await completion().restartOverdueQuietPeriods();
    await letPass(60_000);
    expect(await sweep()).toBe(1);
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
    await letPass(periods.quietPeriodMs);
    expect(await sweep()).toBe(0);
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
    await Promise.all(all.map((one) => index(one)));
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
    expect(await sweep()).toBe(0);
    await letPass(periods.releasedQuietPeriodMs);
    expect(await sweep()).toBe(1);
  });

  it('counts also when it is handled before the last instance', async () => {
    await send(slice('s', 'a', 1));
    await release(2);
    await letPass(periods.releasedQuietPeriodMs);
    expect(await sweep()).toBe(0);
    await send(slice('s', 'a', 2));
    expect(await sweep()).toBe(0);
    await letPass(periods.releasedQuietPeriodMs);
    expect(await sweep()).toBe(1);
  });

  it('does not lengthen a quiet period that is nearly over', async () => {
    await send(slice('s', 'a', 1));
    await letPass(periods.quietPeriodMs - 60_000);
    await release(1);
    await letPass(60_000);
    expect(await sweep()).toBe(1);
  });

  it('is forgotten when it is old', async () => {
    await release(1);
    await completion().forgetOldReleases();
    expect(await database.db.selectFrom('release').selectAll().execute()).toHaveLength(1);
    await sql`update release set recorded_at = now() - interval '25 hours'`.execute(database.db);
    await completion().forgetOldReleases();
    expect(await database.db.selectFrom('release').selectAll().execute()).toEqual([]);
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

  it('is taken back by the older dataset as a newer revision, and identity is judged anew', async () => {
    await send(slice('s', 'a', 1));
    await complete();
    const digestOf = async () => (await grpc().getDemographics({ studyInstanceUid: uid('s') })).identityDigest;
    const original = await digestOf();
    await send(slice('s', 'a', 1, { PatientID: 'P-2' }), { revision: 2 });
    await complete();
    expect(await digestOf()).not.toBe(original);
    await events();
    expect(await send(slice('s', 'a', 1), { revision: 3 })).toBe('indexed');
    expect(await changes()).toEqual(['reopened+identity 3']);
    expect(await digestOf()).toBe(original);
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

  it('has no identity to judge when its last instance leaves', async () => {
    await send(slice('s', 'a', 1));
    await complete();
    await events();
    await send(slice('s', 'a', 1, { StudyInstanceUID: uid('t') }), { revision: 2 });
    const told = await events();
    expect(told.map(({ value }) => [value['studyInstanceUid'], value['changes']])).toEqual(
      expect.arrayContaining([
        [uid('s'), ['STUDY_CHANGE_REOPENED']],
        [uid('t'), ['STUDY_CHANGE_CREATED']],
      ]),
    );
    expect(await grpc().getDemographics({ studyInstanceUid: uid('s') })).toMatchObject({
      identityDigest: '',
      inconsistent: false,
    });
  });
});
