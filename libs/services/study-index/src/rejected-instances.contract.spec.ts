import { rejectionNote } from '@callosum/phantom';
import { sql } from 'kysely';
import { beforeEach, describe, expect, it } from 'vitest';

import { PostgresIndexedPatients } from './adapters/archive-tombstones.js';
import { PostgresAwaitedRejections } from './adapters/awaited-rejections.js';
import { type AwaitedRejections, judgeRejected } from './application/judge-rejected.js';
import { obeyNote } from './application/obey-note.js';
import { readInstance } from './application/read-instance.js';
import type { StoredInstance } from './domain/instance.js';
import { rejectionNoteOf } from './domain/rejection-note.js';
import { reader, slice, store, uid } from './test-support/objects.js';
import { clearIndex, database, useIndex } from './test-support/study-index.js';
import { hide, kept, of, uidsOf } from './test-support/withholding.js';

useIndex();
beforeEach(clearIndex);

describe('a rejection note', () => {
  const rejected: { note: string; uids: string[]; eraseAfterMs: number | null }[] = [];
  const archive = {
    standingOf: ({ instanceRevision }: { instanceRevision: number }) =>
      Promise.resolve(instanceRevision > 1 ? ('further' as const) : ('first' as const)),
    rejectsNothing: () => Promise.resolve(0),
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
