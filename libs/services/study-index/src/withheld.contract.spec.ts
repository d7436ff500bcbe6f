import { imaging } from '@callosum/contracts';
import { sql } from 'kysely';
import { beforeEach, describe, expect, it } from 'vitest';

import { PostgresRetention } from './adapters/retention.js';
import { type AgedStudy, letGoDueStudies } from './application/keep-or-let-go.js';
import { countWithheld } from './application/withhold.js';
import type { StoredInstance } from './domain/instance.js';
import type { ProcedureStep } from './domain/procedure-step.js';
import { slice, store, uid } from './test-support/objects.js';
import {
  changes,
  clearIndex,
  collect,
  complete,
  database,
  find,
  grpc,
  hidden,
  index,
  letPass,
  periods,
  send,
  sweep,
  tellStep,
  useIndex,
} from './test-support/study-index.js';
import { byNote, hide, kept, of, restore, uidsOf, within } from './test-support/withholding.js';

useIndex();
beforeEach(clearIndex);

const { QUERY_LEVEL_STUDY, QUERY_LEVEL_INSTANCE } = imaging.QueryLevel;
const studies = async (): Promise<number> => (await find({ level: QUERY_LEVEL_STUDY })).length;
const shown = async (): Promise<string[]> =>
  (await find({ level: QUERY_LEVEL_INSTANCE })).map((dataset) => String(dataset['00080018']?.Value?.[0])).sort();

/** A modality that made two images of a series. */
const stated: ProcedureStep = {
  procedureStepUid: uid('step'),
  stepRevision: 2,
  status: 'completed',
  series: [{ seriesInstanceUid: uid('s/a'), instanceCount: 2, instancesDigest: 'd' }],
  studyCount: 1,
  discontinuationReason: undefined,
  source: 'CT1',
  changedAt: new Date(),
};

describe('instances that a tombstone withholds', () => {
  it('leave searches, metadata and locations, and their study opens a revision that completes without them', async () => {
    const [one, two] = [await kept('a', 1), await kept('b', 1)];
    await complete();
    await changes();
    expect(await hide(of(1, one))).toBe(1);
    expect(await shown()).toEqual(uidsOf(two));
    const request = { studyInstanceUid: uid('s'), seriesInstanceUid: '', sopInstanceUid: '' };
    expect((await collect(grpc().streamMetadata(request))).map((row) => row.sopInstanceUid)).toEqual(uidsOf(two));
    await complete();
    expect(await changes()).toEqual(['reopened 2', 'completed 2']);
    const { study } = await grpc().getStudy({ studyInstanceUid: uid('s') });
    expect(study.series.map(({ seriesInstanceUid }) => seriesInstanceUid)).toEqual([uid('s/b')]);
  });

  it('do not come in with a fact that is handled later, and come back when the tombstone is taken back', async () => {
    const early = store(slice('s', 'a', 1));
    expect(await hide(of(1, early))).toBe(0);
    expect(await index(early)).toBe('withheld');
    expect(await studies()).toBe(0);
    expect(await restore(of(2, early), early)).toBe(1);
    expect(await shown()).toEqual(uidsOf(early));
    expect(await index(early)).toBe('refreshed');
  });

  it('stay as the later tombstone says, whichever is handled first', async () => {
    const one = await kept('a', 1);
    await restore(of(5, one), one);
    expect(await hide(of(4, one))).toBe(0);
    expect(await shown()).toEqual(uidsOf(one));
    await hide(of(6, one));
    expect(await restore(of(5, one), one)).toBe(0);
    expect(await shown()).toEqual([]);
  });

  it('that were all of a study leave a study that nobody finds and that says nothing of its patient', async () => {
    const one = await kept('a', 1);
    await complete();
    await hide(of(1, one));
    await complete();
    expect(await changes()).toEqual(['created 1', 'completed 1', 'reopened 2', 'completed 2']);
    expect(await studies()).toBe(0);
    const { rows } = await sql<{ row: unknown }>`select to_jsonb(study) as row from study`.execute(database.db);
    for (const said of ['P-1', 'Anna', '19700131', 'ACC-1', 'Thorax']) expect(JSON.stringify(rows)).not.toContain(said);
    await restore(of(2, one), one);
    expect(await studies()).toBe(1);
    expect(await changes()).toEqual(['reopened+identity 3']);
  });

  it('open no revision when Callosum made them', async () => {
    await kept('a', 1);
    const seg = store(slice('s', 'seg', 1, { Modality: 'SEG' }), { issued: true });
    await index(seg);
    await complete();
    await changes();
    await hide(of(1, seg));
    expect(await changes()).toEqual(['results 1']);
  });

  it('are not missing where a procedure step states them', async () => {
    const [one] = [await kept('a', 1), await kept('a', 2)];
    await hide(of(1, one));
    await tellStep(uid('s'), stated);
    await complete();
    expect(await changes()).toEqual(['created 1', 'completed 1']);
  });

  it.each([
    ['indexed', index],
    ['hidden as it came', (one: StoredInstance) => within((transaction) => countWithheld(transaction, one))],
  ])('count in the series in which they came, whatever names them: one %s', async (_how, come) => {
    await kept('a', 2);
    const one = store(slice('s', 'a', 1));
    await come(one);
    await hide(byNote(of(1, { ...one, seriesInstanceUid: uid('s/b') })));
    await tellStep(uid('s'), stated);
    await complete();
    expect((await changes()).at(-1)).toMatch(/^completed/);
  });

  it('count where the archive says they are, once anybody but a note names them: a row of before says what its note did', async () => {
    const one = store(slice('s', 'a', 1));
    await kept('a', 2);
    await within((index) => countWithheld(index, one));
    await hide(byNote(of(1, one)));
    await sql`update withheld_instance set series_instance_uid = ${uid('s/b')}`.execute(database.db);
    await hide(byNote(of(2, { ...one, seriesInstanceUid: uid('s/c') })));
    await tellStep(uid('s'), stated);
    await letPass(periods.quietPeriodMs);
    expect(await sweep()).toBe(0);
    await hide(of(3, one));
    await tellStep(uid('s'), { ...stated, stepRevision: 3 });
    expect(await sweep()).toBe(1);
  });

  it('count in the series in which they came first, whatever series a note and a copy name', async () => {
    await kept('a', 2);
    const one = store(slice('s', 'a', 1));
    await hide(byNote(of(1, { ...one, seriesInstanceUid: uid('s/b') })));
    await within((index) => countWithheld(index, one));
    await within((index) => countWithheld(index, { ...one, seriesInstanceUid: uid('s/c') }));
    await tellStep(uid('s'), stated);
    await complete();
    expect((await changes()).at(-1)).toMatch(/^completed/);
  });

  it('stay hidden where a restore does not name them, and are not missing, until one does', async () => {
    const [one, two] = [await kept('a', 1), await kept('a', 2)];
    await hide(of(1, one));
    await hide(of(2, one, two));
    expect(await restore(of(3, two), two)).toBe(1);
    expect(await shown()).toEqual(uidsOf(two));
    await tellStep(uid('s'), stated);
    await complete();
    expect((await changes()).at(-1)).toMatch(/^completed/);
    expect(await restore(of(4, one), one)).toBe(1);
    expect(await shown()).toEqual(uidsOf(one, two));
  });

  it('are missing as long as they never came, whatever names them', async () => {
    const one = await kept('a', 1);
    const never = { ...one, sopInstanceUid: uid('s/a/2') };
    await hide(of(1, never));
    await tellStep(uid('s'), stated);
    await letPass(periods.quietPeriodMs);
    expect(await sweep()).toBe(0);
    await within((index) => countWithheld(index, never));
    expect(await sweep()).toBe(1);
  });
});

describe('what the archive hides and the index does not know to be', () => {
  it('is given to nobody who asks where it is', async () => {
    const [one, two] = [await kept('a', 1), await kept('a', 2)];
    const located = async () => {
      const series = { studyInstanceUid: uid('s'), seriesInstanceUid: uid('s/a'), sopInstanceUid: '' };
      const found = await collect(grpc().locateInstances({ ...series, withoutPixelData: true }));
      return found.map(({ instance }) => instance?.sopInstanceUid);
    };
    expect(await located()).toEqual(uidsOf(one, two));
    hidden.add(one.sopInstanceUid);
    expect(await located()).toEqual(uidsOf(two));
    hidden.add(two.sopInstanceUid);
    expect(await located()).toEqual([]);
  });
});

describe('retention', () => {
  it('lets go each study whose time is over, once a day at most, and no other', async () => {
    await send(slice('s', 'a', 1));
    await send(slice('t', 'a', 1, { Modality: 'MR' }));
    await complete();
    const asked: [string, number][] = [];
    const archive = {
      letGo: ({ studyInstanceUid, sourceInstances }: AgedStudy) =>
        Promise.resolve(asked.push([studyInstanceUid, sourceInstances])),
    };
    const turn = () =>
      letGoDueStudies(
        new PostgresRetention(database.db),
        archive,
        { now: () => new Date('2026-12-31T00:00:00Z') },
        { days: { CT: 20 }, eraseAfterMs: 0 },
        () => undefined,
      );
    expect(await turn()).toBe(1);
    expect(asked).toEqual([[uid('s'), 1]]);
    expect(await turn()).toBe(0);
  });

  it('goes by the modalities of what others sent: what was made of it keeps it no longer', async () => {
    await send(slice('s', 'a', 1));
    await send(slice('s', 'seg', 1, { Modality: 'SEG' }), { issued: true });
    await complete();
    expect(await new PostgresRetention(database.db).claim()).toMatchObject({ modalities: ['CT'], sourceInstances: 1 });
  });
});
