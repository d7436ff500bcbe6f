import { imaging } from '@callosum/contracts';
import { systemClock } from '@callosum/kernel';
import { PostgresOutbox } from '@callosum/event-log';
import { rejectionNote } from '@callosum/phantom';
import { sql } from 'kysely';
import { beforeEach, describe, expect, it } from 'vitest';

import { PostgresIndexedPatients } from './adapters/archive-tombstones.js';
import { PostgresAwaitedRejections } from './adapters/awaited-rejections.js';
import { PostgresIndexTransaction } from './adapters/index-transaction.js';
import { PostgresRetention } from './adapters/retention.js';
import { type AwaitedRejections, judgeRejected } from './application/judge-rejected.js';
import { type AgedStudy, letGoDueStudies } from './application/keep-or-let-go.js';
import { obeyNote } from './application/obey-note.js';
import { readInstance } from './application/read-instance.js';
import { countWithheld, restoreInstances, withholdInstances } from './application/withhold.js';
import type { Withholding } from './application/withholdings.js';
import type { StoredInstance } from './domain/instance.js';
import type { ProcedureStep } from './domain/procedure-step.js';
import { rejectionNoteOf } from './domain/rejection-note.js';
import { ledger, reader, slice, store, uid } from './test-support/objects.js';
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

useIndex();
beforeEach(clearIndex);

const outbox = new PostgresOutbox({ service: 'study-index' });
const within = <T>(work: (index: PostgresIndexTransaction) => Promise<T>): Promise<T> =>
  database.db.transaction().execute((trx) => work(new PostgresIndexTransaction(trx, outbox, systemClock)));
const of = (sequence: number, ...stored: StoredInstance[]): Withholding => ({
  studyInstanceUid: uid('s'),
  sequence,
  instances: stored.map(({ seriesInstanceUid, sopInstanceUid }) => ({ seriesInstanceUid, sopInstanceUid })),
});
const hide = (withholding: Withholding): Promise<number> => {
  // The archive does not tell of what it hides.
  for (const { sopInstanceUid } of withholding.instances) ledger.delete(sopInstanceUid);
  return within((index) => withholdInstances(index, withholding, periods));
};
const restore = async (withholding: Withholding, ...stored: StoredInstance[]): Promise<number> => {
  for (const one of stored) ledger.set(one.sopInstanceUid, one);
  const records = await Promise.all(stored.map((one) => readInstance(reader, one)));
  return within((index) => restoreInstances(index, withholding, records, periods));
};
const kept = async (series: string, number: number, more = {}): Promise<StoredInstance> => {
  const stored = store(slice('s', series, number, more));
  await index(stored);
  return stored;
};
const { QUERY_LEVEL_STUDY, QUERY_LEVEL_INSTANCE } = imaging.QueryLevel;
const studies = async (): Promise<number> => (await find({ level: QUERY_LEVEL_STUDY })).length;
const shown = async (): Promise<string[]> =>
  (await find({ level: QUERY_LEVEL_INSTANCE })).map((dataset) => String(dataset['00080018']?.Value?.[0])).sort();
const uidsOf = (...stored: StoredInstance[]): string[] => stored.map((one) => one.sopInstanceUid).sort();

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
    await hide(of(1, { ...one, seriesInstanceUid: uid('s/b') }));
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

describe('a rejection note', () => {
  const rejected: { note: string; uids: string[]; eraseAfterMs: number | null }[] = [];
  const archive = {
    reject: (
      { sopInstanceUid: note }: { sopInstanceUid: string },
      instances: readonly { sopInstanceUid: string }[],
      eraseAfterMs: number | null,
    ) => {
      rejected.push({ note, uids: uidsOf(...(instances as StoredInstance[])), eraseAfterMs });
      return Promise.resolve(instances.length);
    },
    takeBack: (_note: unknown, except: readonly { sopInstanceUid: string }[]) =>
      Promise.resolve(takenBackBut.push(except.map(({ sopInstanceUid }) => sopInstanceUid))),
  };
  const takenBackBut: string[][] = [];
  const awaited = {
    add: (...given: Parameters<AwaitedRejections['add']>) => rows().add(...given),
  };
  const rows = () => new PostgresAwaitedRejections(database.db);
  const obey = async (title: string, ...stored: StoredInstance[]) => obeyOf(title, '', ...stored);
  const obeyOf = (title: string, issuerOfPatientId: string, ...stored: StoredInstance[]) =>
    obeyRevision(1, title, issuerOfPatientId, ...stored);
  const obeyRevision = async (
    instanceRevision: number,
    title: string,
    issuerOfPatientId: string,
    ...stored: StoredInstance[]
  ) => {
    const made = rejectionNote({
      studyInstanceUid: uid('s'),
      patientId: 'P-1',
      title: [title, 'Rejected'],
      references: stored,
    });
    const note = rejectionNoteOf(await readInstance(reader, store(made.bytes)));
    if (!note) throw new Error('no rejection note');
    const said = { ...note, issuerOfPatientId, instanceRevision };
    return obeyNote(archive, new PostgresIndexedPatients(database.db), awaited, said, 1_000);
  };
  beforeEach(() => void (rejected.length = 0));

  it('hides what it names, and leaves alone what is of another patient', async () => {
    const [own, foreign] = [await kept('a', 1), await kept('a', 2, { PatientID: 'P-2' })];
    const later = store(slice('s', 'a', 3));
    expect(await obey('113037', own, foreign, later)).toEqual({ hidden: 2, refused: 1, takenBack: 0 });
    expect(rejected).toMatchObject([{ uids: uidsOf(own, later), eraseAfterMs: null }]);
  });

  it('leaves alone what has the same Patient ID of another issuer', async () => {
    const [own, foreign, unsaid] = [
      await kept('a', 1, { IssuerOfPatientID: 'HERE' }),
      await kept('a', 2, { IssuerOfPatientID: 'THERE' }),
      await kept('a', 3),
    ];
    expect(await obeyOf('113037', 'HERE', own, foreign, unsaid)).toEqual({ hidden: 2, refused: 1, takenBack: 0 });
    expect(rejected).toMatchObject([{ uids: uidsOf(own, unsaid) }]);
  });

  it('that corrects another takes back what only that one named, and what it names of another patient', async () => {
    const [own, foreign] = [await kept('a', 1), await kept('a', 2, { PatientID: 'P-2' })];
    await obeyRevision(1, '113037', '', own);
    expect(takenBackBut).toEqual([]);
    expect(await obeyRevision(2, '113037', '', own, foreign)).toMatchObject({ hidden: 1, takenBack: 1 });
    expect(takenBackBut).toEqual([uidsOf(own)]);
  });

  it('is compared with what comes later, and wrong about that of another patient', async () => {
    const [own, foreign] = [store(slice('s', 'a', 1)), store(slice('s', 'a', 2, { PatientID: 'P-2' }))];
    await obey('113037', own, foreign);
    const shownAgain: string[] = [];
    const unreject = (_study: string, sop: string): Promise<void> => Promise.resolve(void shownAgain.push(sop));
    const judge = (stored: StoredInstance) =>
      judgeRejected(rows(), { unreject }, (one) => readInstance(reader, one), stored);
    expect(await judge(own)).toBeUndefined();
    expect(await judge(foreign)).toBe(rejected[0]?.note);
    // Once.
    expect(await judge(foreign)).toBeUndefined();
    expect(shownAgain).toEqual([foreign.sopInstanceUid]);
  });

  it('forgets whose patient it took what never came for, after a while and when the study is gone', async () => {
    const here = await kept('a', 1);
    const [never, late] = [store(slice('s', 'a', 2)), store(slice('s', 'a', 3))];
    await obey('113037', here, never);
    await obey('113037', here, late);
    const left = async () => {
      const { rows } = await sql<{ sop: string }>`select sop_instance_uid as sop from awaited_rejection`.execute(
        database.db,
      );
      return rows.map(({ sop }) => sop).sort();
    };
    const age = (interval: string, one: StoredInstance) =>
      sql`update awaited_rejection set named_at = now() - ${interval}::interval
        where sop_instance_uid = ${one.sopInstanceUid}`.execute(database.db);
    await age('91 days', never);
    await age('89 days', late);
    expect(await rows().forgetOld(90)).toBe(1);
    expect(await left()).toEqual([late.sopInstanceUid]);
    // Named again, it is awaited from then on.
    await obey('113037', here, late);
    expect(await rows().forgetOld(1)).toBe(0);
    await hide(of(1, here));
    expect(await rows().forgetOld(90)).toBe(0);
    await age('25 hours', late);
    expect(await rows().forgetOld(90)).toBe(1);
    expect(await left()).toEqual([]);
  });

  it('erases only what was kept for long enough', async () => {
    const one = await kept('a', 1);
    await obey('113039', one);
    await obey('113001', one);
    expect(rejected.map(({ eraseAfterMs }) => eraseAfterMs)).toEqual([1_000, null]);
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
