import { imaging, topics } from '@callosum/contracts';
import { PostgresOutbox } from '@callosum/event-log';
import { newId, systemClock } from '@callosum/kernel';
import { sql } from 'kysely';
import { beforeEach, describe, expect, it } from 'vitest';

import { PostgresFactStore } from './adapters/fact-store.js';
import { stepsOf } from './adapters/statements.js';
import { StudyStatus } from './adapters/study-status.js';
import { stepsMax } from './application/statements.js';
import type { ProcedureStep, StepStatus } from './domain/procedure-step.js';
import { slice, store, uid } from './test-support/objects.js';
import {
  acknowledged,
  allEvents,
  changes,
  clearIndex,
  complete,
  completion,
  database,
  doneOrBlocked,
  events,
  held,
  index,
  letPass,
  limits,
  periods,
  send,
  sweep,
  tellStep,
  useIndex,
} from './test-support/study-index.js';
import { ImagingEvents } from './transport/imaging.events.js';

useIndex();
beforeEach(clearIndex);

/** A step of study `s` that states so many instances of its series. */
const step = (
  name: string,
  status: StepStatus,
  series: Record<string, number> = {},
  more: Partial<ProcedureStep> = {},
): ProcedureStep => ({
  procedureStepUid: uid(`step/${name}`),
  stepRevision: status === 'in-progress' ? 1 : 2,
  status,
  series: Object.entries(series).map(([one, instanceCount]) => ({
    seriesInstanceUid: uid(one.includes('/') ? one : `s/${one}`),
    instanceCount,
    instancesDigest: `${name}/${one}`,
  })),
  studyCount: 1,
  discontinuationReason: undefined,
  source: 'CT1',
  changedAt: new Date('2026-11-26T10:00:00Z'),
  ...more,
});
const tell = (one: ProcedureStep, study = 's') => tellStep(uid(study), one);
const quiet = () => letPass(periods.quietPeriodMs);
/** Of the one completion told since the last look. */
async function completed(): Promise<Record<string, unknown>> {
  const told = (await events()).filter(({ topic }) => topic === topics.studyCompleted.name);
  expect(told).toHaveLength(1);
  return told[0]?.value ?? {};
}
const evidenceOf = ({ evidence }: Record<string, unknown>) => String(evidence).replace('COMPLETENESS_EVIDENCE_', '');
/** Series told since the last look: which, in which revision, with how many instances, on what evidence. */
const seriesTold = async () =>
  (await allEvents())
    .filter(({ topic }) => topic === topics.seriesCompleted.name)
    .map(({ value }) => [value['seriesInstanceUid'], value['revision'], value['instanceCount'], evidenceOf(value)]);

describe('a study whose procedure steps state what they made', () => {
  it('is complete at once when all of it is here and the last step ends', async () => {
    await tell(step('p', 'in-progress'));
    await send(slice('s', 'a', 1));
    await send(slice('s', 'a', 2));
    expect(await sweep()).toBe(0);
    await tell(step('p', 'completed', { a: 2 }));
    expect(await sweep()).toBe(1);
    const told = await completed();
    expect([evidenceOf(told), told['procedureSteps'], told['statedMissing']]).toEqual([
      'STATED_COUNT',
      [{ procedureStepUid: uid('step/p'), status: 'PROCEDURE_STEP_STATUS_COMPLETED' }],
      undefined,
    ]);
  });

  it('is complete at once with its last instance, where the steps ended before any came', async () => {
    await tell(step('p', 'completed', { a: 2 }));
    await send(slice('s', 'a', 1));
    expect(await sweep()).toBe(0);
    await send(slice('s', 'a', 2));
    expect(await sweep()).toBe(1);
    expect(evidenceOf(await completed())).toBe('STATED_COUNT');
  });

  it('is complete at once too when its only instance and its step are handled at the same time', async () => {
    const whole = step('p', 'completed', { a: 1 });
    const of = (study: string) => ({ ...whole, series: step('p', 'completed', { [`${study}/a`]: 1 }).series });
    const told = { step: Promise.resolve<unknown>(undefined), instance: Promise.resolve<unknown>(undefined) };
    // Neither sees what the other has not committed.
    await index(store(slice('s', 'a', 1)), () => doneOrBlocked((told.step = tell(of('s')))));
    await told.step;
    expect(await sweep()).toBe(1);
    const only = store(slice('t', 'a', 1));
    await tellStep(uid('t'), of('t'), () => doneOrBlocked((told.instance = index(only))));
    await told.instance;
    expect(await sweep()).toBe(1);
  });

  it('waits for what the archive has of it all the same', async () => {
    await tell(step('p', 'completed', { a: 1 }));
    store(slice('s', 'a', 2));
    await send(slice('s', 'a', 1));
    expect(await sweep()).toBe(0);
    expect((await completion().waiting()).count).toBe(1);
  });

  it('waits for its quiet period where a series has no step: somebody else may still send', async () => {
    await tell(step('p', 'completed', { a: 1 }));
    await send(slice('s', 'b', 1));
    await send(slice('s', 'a', 1));
    expect(await sweep()).toBe(0);
    await complete();
    expect(evidenceOf(await completed())).toBe('QUIET_PERIOD');
  });

  it('carries that a step was discontinued, and why', async () => {
    const discontinuationReason = { value: '110513', scheme: 'DCM' };
    await tell(step('p', 'discontinued', { a: 1 }, { discontinuationReason }));
    await send(slice('s', 'a', 1));
    expect(await sweep()).toBe(1);
    expect((await completed())['procedureSteps']).toEqual([
      { procedureStepUid: uid('step/p'), status: 'PROCEDURE_STEP_STATUS_DISCONTINUED', discontinuationReason },
    ]);
  });

  it('keeps what its revision rests on', async () => {
    await tell(step('p', 'completed', { a: 1 }));
    await send(slice('s', 'a', 1));
    await sweep();
    const { rows } = await sql`select evidence, procedure_steps, stated_missing from revision`.execute(database.db);
    expect(rows).toEqual([
      {
        evidence: 'COMPLETENESS_EVIDENCE_STATED_COUNT',
        procedure_steps: [{ procedureStepUid: uid('step/p'), status: 'completed', instances: 1 }],
        stated_missing: 0,
      },
    ]);
  });
});

describe('a study whose quiet period is over', () => {
  it('is held back while a step is in progress, and complete at once when that ends', async () => {
    await tell(step('p', 'in-progress'));
    await send(slice('s', 'a', 1));
    await quiet();
    expect(await sweep()).toBe(0);
    expect(held).toMatchObject([{ studyInstanceUid: uid('s'), stepsInProgress: 1, missing: 0, tell: true }]);
    expect(await completion().waiting()).toMatchObject({ count: 0, held: 1 });
    await letPass(limits.openStepMs - 60_000);
    expect(await sweep()).toBe(0);
    expect(held.filter(({ tell: first }) => first)).toHaveLength(1);
    await tell(step('p', 'completed', { a: 1 }));
    expect(await sweep()).toBe(1);
    expect(evidenceOf(await completed())).toBe('STATED_COUNT');
    expect(await completion().waiting()).toMatchObject({ held: 0 });
  });

  it('completes by it after the limit where the step never ends, and says so', async () => {
    await tell(step('p', 'in-progress'));
    await send(slice('s', 'a', 1));
    await quiet();
    await sweep();
    await letPass(limits.openStepMs);
    expect(await sweep()).toBe(1);
    const told = await completed();
    expect([evidenceOf(told), told['procedureSteps']]).toEqual([
      'QUIET_PERIOD',
      [{ procedureStepUid: uid('step/p'), status: 'PROCEDURE_STEP_STATUS_IN_PROGRESS' }],
    ]);
  });

  it('is held back for its limit by stated instances that do not come, and tells how many', async () => {
    await tell(step('p', 'completed', { a: 3 }));
    await send(slice('s', 'a', 1));
    await quiet();
    expect(await sweep()).toBe(0);
    expect(held).toMatchObject([{ stepsInProgress: 0, missing: 2 }]);
    await letPass(limits.missingMs - 60_000);
    expect(await sweep()).toBe(0);
    await letPass(60_000);
    expect(await sweep()).toBe(1);
    const told = await completed();
    expect([evidenceOf(told), told['statedMissing']]).toEqual(['QUIET_PERIOD', 2]);
  });

  it('completes at once when the missing instances come', async () => {
    await tell(step('p', 'completed', { a: 2 }));
    await send(slice('s', 'a', 1));
    await quiet();
    await sweep();
    await send(slice('s', 'a', 2));
    expect(await sweep()).toBe(1);
    expect(evidenceOf(await completed())).toBe('STATED_COUNT');
  });

  it('begins to wait anew with each word of its modality', async () => {
    await tell(step('p', 'in-progress'));
    await send(slice('s', 'a', 1));
    await quiet();
    await sweep();
    await letPass(limits.openStepMs - 1_000);
    await tell(step('p', 'in-progress', { a: 1 }, { stepRevision: 2 }));
    await sweep();
    await letPass(limits.openStepMs - 1_000);
    expect(await sweep()).toBe(0);
  });

  it('is shown with its steps to whoever asks where it is', async () => {
    await tell(step('p', 'completed', { a: 3 }));
    await tell(step('q', 'in-progress'));
    await send(slice('s', 'a', 1));
    await quiet();
    await sweep();
    const intakeOf = () => Promise.resolve(undefined);
    const { completeness } = await new StudyStatus(database.db, { ...acknowledged, intakeOf }).of(uid('s'));
    expect(completeness).toMatchObject({
      statedMissing: 2,
      procedureStepsTotal: 2,
      procedureSteps: [
        { procedureStepUid: uid('step/q'), status: 'in-progress', instances: 0 },
        { procedureStepUid: uid('step/p'), status: 'completed', instances: 3 },
      ],
    });
    expect(completeness?.heldSince).toBeDefined();
  });
});

describe('a study that was complete', () => {
  const whole = async () => {
    await tell(step('p', 'completed', { a: 2 }));
    await send(slice('s', 'a', 1));
    await send(slice('s', 'a', 2));
    await sweep();
    await events();
  };

  it('is not opened by a step', async () => {
    await whole();
    expect(await tell(step('q', 'in-progress'))).toBe('recorded');
    expect(await tell(step('q', 'completed', { b: 9 }))).toBe('recorded');
    await quiet();
    expect(await sweep()).toBe(0);
    expect(await allEvents()).toEqual([]);
  });

  it('closes one further revision after many corrections, not one for each', async () => {
    await whole();
    for (const number of [1, 2]) {
      await send(slice('s', 'a', number, { PatientSex: 'M' }), { revision: 2 });
      expect(await sweep()).toBe(0);
    }
    await complete();
    const told = await completed();
    expect([told['revision'], evidenceOf(told)]).toEqual([2, 'STATED_COUNT']);
  });

  it('waits for quiet with instances that come beyond what was stated', async () => {
    await whole();
    for (const number of [3, 4]) {
      await send(slice('s', 'a', number));
      expect(await sweep()).toBe(0);
    }
    await complete();
    const told = await completed();
    expect([told['revision'], evidenceOf(told)]).toEqual([2, 'QUIET_PERIOD']);
  });

  it('is whole again at once when a further step ends', async () => {
    await whole();
    await send(slice('s', 'b', 1));
    await tell(step('q', 'completed', { b: 1 }));
    expect(await sweep()).toBe(1);
    expect(await changes()).toEqual(['reopened 2', 'completed 2']);
  });
});

describe('a series', () => {
  it('is told of when its stated instances are here, before its study is complete', async () => {
    await tell(step('p', 'completed', { a: 2 }));
    await tell(step('q', 'in-progress'));
    await send(slice('s', 'a', 1));
    expect(await seriesTold()).toEqual([]);
    await send(slice('s', 'a', 2));
    expect(await seriesTold()).toEqual([[uid('s/a'), 1, 2, 'STATED_COUNT']]);
    await send(slice('s', 'b', 1));
    await tell(step('q', 'completed', { b: 1 }));
    expect(await seriesTold()).toEqual([[uid('s/b'), 1, 1, 'STATED_COUNT']]);
    expect(await sweep()).toBe(1);
    expect((await allEvents()).map(({ topic }) => topic)).toEqual([topics.studyCompleted.name]);
  });

  it('is told of with its study otherwise, before that, on the same evidence', async () => {
    await send(slice('s', 'a', 1));
    await send(slice('s', 'b', 1));
    await send(slice('s', 'seg', 1, { Modality: 'SEG' }), { issued: true });
    await allEvents();
    await complete();
    const told = await allEvents();
    expect(told.map(({ topic }) => topic)).toEqual([
      topics.seriesCompleted.name,
      topics.seriesCompleted.name,
      topics.studyCompleted.name,
    ]);
    expect(
      told
        .slice(0, 2)
        .map(({ value }) => [value['seriesInstanceUid'], evidenceOf(value)])
        .sort(),
    ).toEqual(
      [
        [uid('s/a'), 'QUIET_PERIOD'],
        [uid('s/b'), 'QUIET_PERIOD'],
      ].sort(),
    );
  });

  it('is told of once in each revision of its study', async () => {
    await send(slice('s', 'a', 1));
    await complete();
    await send(slice('s', 'b', 1));
    await seriesTold();
    await complete();
    expect((await seriesTold()).sort()).toEqual(
      [
        [uid('s/a'), 2, 1, 'QUIET_PERIOD'],
        [uid('s/b'), 2, 1, 'QUIET_PERIOD'],
      ].sort(),
    );
  });
});

describe('a step of two studies', () => {
  const both = { studyCount: 2 };

  it('states nothing that is missing of one and in the other', async () => {
    const of = step('p', 'completed', { 's/a': 1, 't/a': 1 }, both);
    await tell(of);
    await tell(of, 't');
    await send(slice('s', 'a', 1));
    // Its other series may yet come.
    expect(await sweep()).toBe(0);
    await send(slice('t', 'a', 1));
    expect(await sweep()).toBe(1);
    await quiet();
    expect(await sweep()).toBe(1);
    const told = (await events()).filter(({ topic }) => topic === topics.studyCompleted.name);
    expect(told.map(({ value }) => [value['studyInstanceUid'], evidenceOf(value)])).toEqual([
      [uid('t'), 'STATED_COUNT'],
      [uid('s'), 'STATED_COUNT'],
    ]);
  });
});

describe('facts about procedure steps', () => {
  const outbox = new PostgresOutbox({ service: 'study-index' });
  const log = { info: () => undefined, warn: () => undefined, debug: () => undefined };
  const handler = () =>
    new ImagingEvents(
      new PostgresFactStore(database, outbox, systemClock, periods.releasedQuietPeriodMs),
      systemClock,
      log as never,
      {} as never,
      periods,
      () => Promise.resolve(),
      () => Promise.resolve(),
    );
  const message = (status: imaging.ProcedureStepStatus, stepRevision: number): imaging.ProcedureStepChanged => ({
    studyInstanceUid: uid('s'),
    procedureStepUid: uid('step/p'),
    stepRevision,
    status,
    series: [{ seriesInstanceUid: uid('s/a'), instanceCount: 1, instancesDigest: 'd' }],
    studyCount: 1,
    discontinuationReason: undefined,
    source: 'CT1',
    changedAt: '2026-11-26T10:00:00Z',
  });
  const { PROCEDURE_STEP_STATUS_COMPLETED: COMPLETED, PROCEDURE_STEP_STATUS_IN_PROGRESS: IN_PROGRESS } =
    imaging.ProcedureStepStatus;

  it('take effect once, and an older one none', async () => {
    const event = { id: newId(), correlationId: 'a1' };
    for (let delivery = 0; delivery < 2; delivery++)
      await handler().procedureStepChanged(message(COMPLETED, 2), { event } as never);
    await handler().procedureStepChanged(message(IN_PROGRESS, 1), { event: { ...event, id: newId() } } as never);
    expect(await stepsOf(database.db, uid('s'))).toMatchObject([{ status: 'completed', stepRevision: 2 }]);
    await send(slice('s', 'a', 1));
    expect(await sweep()).toBe(1);
  });

  it('are refused without a status', async () => {
    const unknown = message(imaging.ProcedureStepStatus.PROCEDURE_STEP_STATUS_UNSPECIFIED, 1);
    const event = { id: newId(), correlationId: 'a1' };
    await expect(handler().procedureStepChanged(unknown, { event } as never)).rejects.toMatchObject({
      code: 'study-index.malformed-event',
    });
  });

  it('and instances end in the same study, whatever comes first', async () => {
    const does = [
      () => tell(step('p', 'in-progress')),
      () => tell(step('p', 'completed', { a: 2 })),
      () => send(slice('s', 'a', 1)),
      () => send(slice('s', 'a', 2)),
      () => tell(step('q', 'discontinued', { b: 1 })),
      () => send(slice('s', 'b', 1)),
    ];
    // Every order that a rotation and a reversal give: 12 of 720.
    const orders = does.flatMap((_, by) => {
      const rotated = [...does.slice(by), ...does.slice(0, by)];
      return [rotated, rotated.toReversed()];
    });
    for (const order of orders) {
      await clearIndex();
      for (const one of order) await one();
      expect(await sweep()).toBe(1);
      const told = await completed();
      expect([told['revision'], evidenceOf(told)]).toEqual([1, 'STATED_COUNT']);
    }
  });

  it('are kept for a handful of steps of a study, and for a month', async () => {
    await sql`insert into procedure_step (study_instance_uid, procedure_step_uid, step_revision, status, series, study_count,
        source, changed_at)
      select ${uid('s')}, 'p' || n, 1, 'completed', '[]', 1, 'CT1', now() from generate_series(1, ${stepsMax}) as n`.execute(
      database.db,
    );
    expect(await tell(step('p', 'completed', { a: 1 }))).toBe('too-many');
    await sql`update procedure_step set recorded_at = now() - interval '31 days' where procedure_step_uid = 'p1'`.execute(
      database.db,
    );
    await completion().forgetOldSteps();
    expect(await stepsOf(database.db, uid('s'))).toHaveLength(stepsMax - 1);
  });
});
