import { imaging, topics } from '@callosum/contracts';
import { PostgresOutbox } from '@callosum/event-log';
import { newId, systemClock } from '@callosum/kernel';
import { sql } from 'kysely';
import { beforeEach, describe, expect, it } from 'vitest';

import { PostgresFactStore } from './adapters/fact-store.js';
import { stepsOf } from './adapters/statements.js';
import { stepsMax } from './application/statements.js';
import { slice, uid } from './test-support/objects.js';
import { completed, evidenceOf, quiet, seriesTold, step, tell } from './test-support/stated.js';
import {
  allEvents,
  changes,
  clearIndex,
  complete,
  completion,
  database,
  events,
  periods,
  send,
  sweep,
  useIndex,
} from './test-support/study-index.js';
import { ImagingEvents } from './transport/imaging.events.js';

useIndex();
beforeEach(clearIndex);

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
      { hold: (_, work) => work() },
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
