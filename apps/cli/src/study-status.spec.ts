import { operations } from '@callosum/contracts';
import { describe, expect, it } from 'vitest';

import { ageOf, linesOf, traceIdsOf } from './study-lines.js';
import { isKnown, waitsOf } from './study-waits.js';

const now = '2026-11-25T10:00:00.000Z';
const ago = (seconds: number): string => new Date(Date.parse(now) - seconds * 1000).toISOString();

type Patch = Parameters<typeof operations.GetStudyStatusResponse.fromPartial>[0];
const answer = (service: string, patch: Patch = {}): operations.GetStudyStatusResponse =>
  operations.GetStudyStatusResponse.fromPartial({ service, observedAt: now, ...patch });

const intake = { instances: 12, bytes: 3_145_728n, firstStoredAt: ago(600), lastStoredAt: ago(300) };
const complete = { state: 'complete', revision: 2, instances: 12, series: 2, completedAt: ago(240) };
const linked = { state: 'linked', decidedBy: 'rules', decidedAt: ago(500), decisions: 1 };
const job = { jobId: 'j', modelId: 'lung', modelVersion: '1.0.0', studyRevision: 2, scheduledAt: ago(200) };

/** One answer of each service that knows something of a study which is done. */
const done = {
  index: { intake, completeness: complete, traceIds: ['a', 'b'] },
  identity: { identity: linked },
  inference: {
    inference: { consideredRevision: 2, models: 1, jobs: [{ ...job, state: 'completed', endedAt: ago(60) }] },
  },
  publisher: {
    publications: [{ kind: 'result', state: 'published', publishedAt: ago(30), sinks: ['archive', 'fhir'] }],
    traceIds: ['b', 'c'],
  },
};
const studyWith = (patch: Partial<Record<keyof typeof done, Patch>> = {}) => {
  const of = { ...done, ...patch };
  return [
    answer('study-index', of.index),
    answer('identity-mapping', of.identity),
    answer('inference-orchestrator', of.inference),
    answer('result-publisher', of.publisher),
  ];
};
const codes = (patch: Partial<Record<keyof typeof done, Patch>>) =>
  waitsOf(studyWith(patch)).map(({ code, since }) => [code, since]);

describe('what a study waits for', () => {
  it('is nothing once all of it is published', () => {
    expect(waitsOf(studyWith())).toEqual([]);
    expect(linesOf(studyWith(), [])).toContain('waits for    nothing');
  });

  it.each<[string, Partial<Record<keyof typeof done, Patch>>, unknown[]]>([
    [
      'instances the index has not taken up',
      { index: { intake, completeness: { ...complete, instances: 10 } } },
      [['index', ago(300)]],
    ],
    [
      'a correction that the index has not taken up, since that came',
      {
        index: {
          intake: {
            ...intake,
            unindexed: [{ sopInstanceUid: '1.2.3', revision: 2, storedAt: ago(400) }],
            unindexedTotal: 1,
          },
          completeness: { ...complete, state: 'receiving', waitingSince: ago(350), quietUntil: ago(-20) },
        },
      },
      [['index', ago(400)]],
    ],
    [
      'the next look, when the last one failed or found it short',
      {
        index: {
          intake,
          completeness: { ...complete, state: 'receiving', waitingSince: ago(20), quietUntil: ago(-9) },
        },
      },
      [['quiet-period', ago(20)]],
    ],
    [
      'the end of its quiet period',
      { index: { intake, completeness: { ...complete, state: 'receiving', quietUntil: ago(-4) } } },
      [['quiet-period', ago(300)]],
    ],
    [
      'its modality, while a procedure step holds it back, and instances that were stated',
      {
        index: {
          intake,
          completeness: {
            ...complete,
            state: 'receiving',
            quietUntil: ago(-20),
            heldSince: ago(60),
            procedureSteps: [
              { procedureStepUid: '1.2.9', status: 'in-progress', changedAt: ago(500) },
              { procedureStepUid: '1.2.8', status: 'completed', changedAt: ago(400), instances: 14 },
            ],
            procedureStepsTotal: 2,
            statedMissing: 2,
          },
        },
      },
      [
        ['procedure-step', ago(60)],
        ['stated-instances', ago(60)],
      ],
    ],
    [
      'a person, when a job is held',
      {
        inference: {
          inference: {
            consideredRevision: 2,
            jobs: [{ ...job, state: 'queued', nextAttemptAt: ago(200), heldReason: 'procedure-step-discontinued' }],
          },
        },
      },
      [['person-job', ago(200)]],
    ],
    ['a first decision on its identity', { identity: {} }, [['identity-decision', ago(600)]]],
    [
      'a person, when it is in quarantine',
      {
        identity: { identity: { ...linked, state: 'quarantined', reasons: ['missing-patient-id'] } },
        publisher: { publications: [{ kind: 'result', state: 'waiting', waitsFor: 'identity' }] },
      },
      [['person-identity', ago(500)]],
    ],
    [
      'nobody, when a person rejected it',
      { identity: { identity: { ...linked, state: 'quarantined', reasons: ['rejected-by-person'] } } },
      [],
    ],
    [
      'a change of its identity under way, and no longer than that',
      { identity: { identity: { ...linked, changingUntil: ago(-5) } } },
      [['identity-change', undefined]],
    ],
    ['models to be chosen for a new revision', { inference: {} }, [['routing', ago(240)]]],
    [
      'a worker',
      {
        inference: {
          inference: { consideredRevision: 2, jobs: [{ ...job, state: 'queued', nextAttemptAt: ago(200) }] },
        },
      },
      [['worker', ago(200)]],
    ],
    [
      'a worker, since the pause after a failed attempt ended',
      {
        inference: {
          inference: {
            consideredRevision: 2,
            jobs: [{ ...job, state: 'queued', attempts: 1, nextAttemptAt: ago(20) }],
          },
        },
      },
      [['worker', ago(20)]],
    ],
    [
      'the next attempt of a job that failed',
      {
        inference: {
          inference: {
            consideredRevision: 2,
            jobs: [{ ...job, state: 'queued', attempts: 1, nextAttemptAt: ago(-20) }],
          },
        },
      },
      [['next-attempt', ago(200)]],
    ],
    [
      'a worker’s result',
      {
        inference: {
          inference: { consideredRevision: 2, jobs: [{ ...job, state: 'running', attemptStartedAt: ago(9) }] },
        },
      },
      [['result', ago(9)]],
    ],
    [
      'a sink that is away, and a person for one that refused',
      {
        publisher: {
          publications: [
            { kind: 'result', state: 'due', errorCode: 'fhir.unavailable', createdAt: ago(50) },
            { kind: 'imaging-study', state: 'parked', errorCode: 'fhir.refused', createdAt: ago(60) },
          ],
        },
      },
      [
        ['person-publication', ago(60)],
        ['publication', ago(50)],
      ],
    ],
    [
      'a person, for facts that are parked',
      { identity: { identity: linked, parked: [{ topic: 't', key: 'k', items: 2, parkedAt: ago(70) }] } },
      [['person-parked', ago(70)]],
    ],
    [
      'the end of an outage, for facts that are tried again by themselves',
      {
        identity: {
          identity: linked,
          parked: [{ topic: 't', key: 'k', items: 2, parkedAt: ago(70), nextAttemptAt: ago(-60) }],
        },
      },
      [['parked-retry', ago(70)]],
    ],
    [
      'the event log, once for an outbox that two services share',
      {
        index: { ...done.index, outbox: [{ schema: 'archive', rows: 3, oldestAt: ago(5) }] },
        publisher: { ...done.publisher, outbox: [{ schema: 'archive', rows: 3, oldestAt: ago(5) }] },
      },
      [['event-log', ago(5)]],
    ],
  ])('is %s', (_what, patch, expected) => {
    expect(codes(patch)).toEqual(expected);
  });

  it('names instances that are missing, corrections as such, and says how many more there are', () => {
    const unindexed = Array.from({ length: 7 }, (_, at) => ({
      sopInstanceUid: `1.2.${at}`,
      revision: at === 0 ? 2 : 1,
      storedAt: ago(400 - at),
    }));
    const index = {
      intake: { ...intake, unindexed, unindexedTotal: 9 },
      completeness: { ...complete, state: 'receiving', waitingSince: ago(350), quietUntil: ago(-20) },
    };
    const lines = linesOf(studyWith({ index }), waitsOf(studyWith({ index })));
    expect(lines).toContain(
      `waits for    study-index to take up 9 stored instances: 1.2.0 (correction, revision 2), 1.2.1, 1.2.2, 1.2.3, 1.2.4, 4 more; since ${ago(400)} (6 min 40 s)`,
    );
    expect(lines.find((line) => line.startsWith('index'))).toBe(
      `index        receiving, revision 2: 12 instances in 2 series; quiet, and held up for 5 min 50 s; looked at again at ${ago(-20)}`,
    );
  });

  it('is not guessed for a service that did not answer', () => {
    const silent = studyWith().filter(({ service }) => service === 'study-index');
    expect(waitsOf(silent)).toEqual([]);
  });
});

describe('the lines about a study', () => {
  it('tell each stage with its age, and every trace once', () => {
    const lines = linesOf(studyWith(), []);
    expect(lines[0]).toBe(`archive      12 instances, 3.0 MiB; first arrival 10 min ago, last 5 min ago (${ago(300)})`);
    expect(lines.find((line) => line.startsWith('index'))).toContain('complete, revision 2: 12 instances in 2 series');
    expect(lines.find((line) => line.startsWith('identity'))).toBe('identity     linked by rules, 8 min 20 s ago');
    expect(lines.find((line) => line.startsWith('inference'))).toContain('lung 1.0.0: completed, 1 min ago');
    expect(lines.find((line) => line.startsWith('publication'))).toBe(
      'publication  result: published, 30 s ago, in archive and fhir',
    );
    expect(lines.at(-1)).toBe('traces       a b c');
    expect(traceIdsOf(studyWith())).toEqual(['a', 'b', 'c']);
  });

  it('tell its procedure steps, and how many more there are', () => {
    const step = { procedureStepUid: '1.2.8', status: 'completed', changedAt: ago(400), instances: 14 };
    const completeness = { ...complete, procedureSteps: [step], procedureStepsTotal: 3 };
    const lines = linesOf(studyWith({ index: { intake, completeness } }), []);
    expect(lines).toContain('procedure    step completed since 6 min 40 s: 14 instances stated  1.2.8');
    expect(lines).toContain('procedure    and 2 more');
  });

  it('say how many are left out of a bounded answer', () => {
    const lines = linesOf(studyWith({ publisher: { ...done.publisher, publicationsTotal: 101 } }), []);
    expect(lines).toContain('publication  and 100 more');
  });

  it('write ages in the two largest units, and none below zero', () => {
    expect([-5, 0, 999, 61_000, 3_600_000, 90_061_000].map(ageOf)).toEqual([
      '0 s',
      '0 s',
      '0 s',
      '1 min 1 s',
      '1 h',
      '1 d 1 h',
    ]);
  });
});

it('a study is known as soon as one service holds anything of it', () => {
  expect(isKnown([answer('study-index'), answer('fhir-gateway')])).toBe(false);
  expect(isKnown([answer('study-index', { intake })])).toBe(true);
  expect(isKnown([answer('identity-mapping', { parked: [{ topic: 't', key: 'k', items: 1 }] })])).toBe(true);
  expect(isKnown([answer('dimse-ingest', { outbox: [{ schema: 'archive', rows: 1 }] })])).toBe(true);
});
