import { sql } from 'kysely';
import { beforeEach, describe, expect, it } from 'vitest';

import { StudyStatus } from './adapters/study-status.js';
import { slice, store, uid } from './test-support/objects.js';
import { completed, evidenceOf, quiet, step, tell } from './test-support/stated.js';
import {
  acknowledged,
  clearIndex,
  complete,
  completion,
  database,
  doneOrBlocked,
  held,
  index,
  letPass,
  limits,
  send,
  sweep,
  tellStep,
  useIndex,
} from './test-support/study-index.js';

useIndex();
beforeEach(clearIndex);

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
