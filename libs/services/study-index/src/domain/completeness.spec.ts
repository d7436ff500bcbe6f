import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { holdMs, judgeStated, nothingStated } from './completeness.js';
import { isFinal, type ProcedureStep, type StepStatus, supersedes } from './procedure-step.js';

const seed = 20_261_126;

const step = (
  procedureStepUid: string,
  status: StepStatus,
  series: Record<string, number | [count: number, digest: string]> = {},
  stepRevision = 1,
): ProcedureStep => ({
  procedureStepUid,
  stepRevision,
  status,
  series: Object.entries(series).map(([seriesInstanceUid, stated]) => {
    const [instanceCount, instancesDigest] = typeof stated === 'number' ? [stated, `${procedureStepUid}`] : stated;
    return { seriesInstanceUid, instanceCount, instancesDigest };
  }),
  studyCount: 1,
  discontinuationReason: undefined,
  source: 'CT1',
  changedAt: new Date(0),
});
const judge = (steps: ProcedureStep[], here: Record<string, number>, own = Object.keys(here)) =>
  judgeStated(
    steps,
    Object.entries(here).map(([seriesInstanceUid, sourceInstances]) => ({ seriesInstanceUid, sourceInstances })),
    new Set(own),
  );

describe('a study is whole by stated counts', () => {
  it('when its steps ended and all they state is here', () => {
    const steps = [step('p', 'completed', { a: 2, b: 1 })];
    expect(judge(steps, { a: 2, b: 1 })).toEqual({
      isWhole: true,
      stepsInProgress: 0,
      missing: 0,
      wholeSeries: ['a', 'b'],
    });
  });

  it('also after steps that were discontinued, which state what they made', () => {
    const steps = [step('p', 'discontinued', { a: 2 }), step('q', 'discontinued')];
    expect(judge(steps, { a: 2 }).isWhole).toBe(true);
  });

  it('never where nobody stated anything', () => {
    expect(judge([], { a: 2 })).toEqual(nothingStated);
    expect(judge([step('p', 'discontinued')], { a: 2 }).isWhole).toBe(false);
    expect(judge([step('p', 'completed', { a: 0 })], {}).isWhole).toBe(false);
  });

  it('not while an instance is missing, which is counted', () => {
    const steps = [step('p', 'completed', { a: 2, b: 3 })];
    expect(judge(steps, { a: 2, b: 1 })).toEqual({
      isWhole: false,
      stepsInProgress: 0,
      missing: 2,
      wholeSeries: ['a'],
    });
    expect(judge(steps, { a: 2 }).missing).toBe(3);
  });

  it('not while a step is in progress; what that states is not yet all, nor are its series', () => {
    const steps = [step('p', 'completed', { a: 2, b: 1 }), step('q', 'in-progress', { b: 1, c: 9 })];
    expect(judge(steps, { a: 2, b: 1 })).toEqual({
      isWhole: false,
      stepsInProgress: 1,
      missing: 0,
      wholeSeries: ['a'],
    });
  });

  it('not where a series has no step, or more instances than its steps state: somebody else sends', () => {
    const steps = [step('p', 'completed', { a: 2 })];
    expect(judge(steps, { a: 2, sc: 1 })).toMatchObject({ isWhole: false, missing: 0, wholeSeries: ['a'] });
    expect(judge(steps, { a: 3 })).toMatchObject({ isWhole: false, missing: 0, wholeSeries: [] });
  });

  it('by the sum of several steps of one series, each set of instances counted once', () => {
    const parts = [step('p', 'completed', { a: 2 }), step('q', 'completed', { a: 3 })];
    expect(judge(parts, { a: 5 }).isWhole).toBe(true);
    expect(judge(parts, { a: 3 }).missing).toBe(2);
    const same = [step('p', 'completed', { a: [2, 'd'] }), step('q', 'completed', { a: [2, 'd'] })];
    expect(judge(same, { a: 2 }).isWhole).toBe(true);
  });

  it('with series of a step that are in another study of it', () => {
    const steps = [step('p', 'completed', { a: 2, b: 1 })];
    expect(judge(steps, { a: 2, b: 1 }, ['a'])).toMatchObject({ isWhole: true, wholeSeries: ['a'] });
    expect(judge(steps, { a: 2, b: 0 }, ['a'])).toMatchObject({ isWhole: false, missing: 1 });
  });
});

describe('a study whose quiet period is over', () => {
  const limits = { openStepMs: 30, missingMs: 10 };

  it.each([
    ['nothing stated', nothingStated, 0],
    ['a step in progress', { ...nothingStated, stepsInProgress: 1 }, 30],
    ['missing instances', { ...nothingStated, missing: 1 }, 10],
    ['both', { ...nothingStated, stepsInProgress: 1, missing: 1 }, 30],
    ['everything here', { ...nothingStated, isWhole: true }, 0],
  ])('is held back by %s for its time', (_what, judged, ms) => {
    expect(holdMs(judged, limits)).toBe(ms);
  });

  it('is held back by nothing where the limits are 0', () => {
    expect(holdMs({ ...nothingStated, stepsInProgress: 1, missing: 1 }, { openStepMs: 0, missingMs: 0 })).toBe(0);
  });
});

describe('facts about steps', () => {
  /** Of each step some revisions in progress, and perhaps a last one that is final. */
  const histories = fc.array(
    fc.record({
      interim: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 3 }),
      last: fc.option(
        fc.tuple(fc.constantFrom<StepStatus>('completed', 'discontinued'), fc.integer({ min: 0, max: 5 })),
      ),
    }),
    { minLength: 1, maxLength: 4 },
  );
  const factsOf = (steps: { interim: number[]; last: [StepStatus, number] | null }[]): ProcedureStep[] =>
    steps.flatMap(({ interim, last }, n) => [
      step(`p${n}`, 'in-progress', {}, 1),
      ...interim.map((count, i) => step(`p${n}`, 'in-progress', { [`s${n % 2}`]: count }, i + 2)),
      ...(last ? [step(`p${n}`, last[0], { [`s${n % 2}`]: last[1] }, interim.length + 2)] : []),
    ]);
  const stateAfter = (facts: readonly ProcedureStep[]): Map<string, ProcedureStep> => {
    const known = new Map<string, ProcedureStep>();
    for (const told of facts)
      if (supersedes(told, known.get(told.procedureStepUid))) known.set(told.procedureStepUid, told);
    return new Map([...known].sort(([a], [b]) => (a < b ? -1 : 1)));
  };

  it('in any order, and twice, end in the same state and the same judgement', () => {
    const shuffled = histories.chain((steps) => {
      const facts = factsOf(steps);
      const twice = [...facts, ...facts];
      return fc.tuple(fc.constant(facts), fc.shuffledSubarray(twice, { minLength: twice.length }));
    });
    fc.assert(
      fc.property(shuffled, ([inOrder, anyOrder]) => {
        const [one, other] = [stateAfter(inOrder), stateAfter(anyOrder)];
        expect(other).toEqual(one);
        const here = { s0: 4, s1: 4 };
        expect(judge([...other.values()], here)).toEqual(judge([...one.values()], here));
      }),
      { seed, numRuns: 200 },
    );
  });

  it('never take a step back that ended', () => {
    const end = step('p', 'completed', {}, 3);
    expect(supersedes(step('p', 'in-progress', {}, 4), end)).toBe(false);
    expect(supersedes(step('p', 'discontinued', {}, 3), end)).toBe(false);
    expect(isFinal(end)).toBe(true);
  });
});
