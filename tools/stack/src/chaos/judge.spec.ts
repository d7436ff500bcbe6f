import { describe, expect, it } from 'vitest';

import { judgeServices } from './judge.js';
import type { StudyState, SystemState } from './judge-state.js';
import { jobs, perResult, publication, publications, stateOf, study, uid } from './judged-study.js';

const poison = ['poison'];

describe('the judge of the services', () => {
  const acknowledged = new Map(['ct-1', 'ct-2'].map((sop) => [sop, { studyInstanceUid: uid, sha256: '' }]));
  const patient = { id: 'A', birthDate: '19580214' };
  const planned = { studyInstanceUid: uid, expected: 'published', patient, transfers: [], by: 'dimse' } as const;
  const promised = { perResult, acknowledged, studies: [planned], poison };
  const parked = { eventId: 'poison', where: 'study_index' };
  const judged = (state: Partial<SystemState>, change: Partial<StudyState> = {}): string[] =>
    judgeServices(promised, { ...stateOf(change), parked: [parked], ...state });

  it('finds nothing where everything ended, and the poison is parked', () => {
    expect(judged({})).toEqual([]);
  });

  it.each<[string, Partial<SystemState>, Partial<StudyState>, RegExp]>([
    [
      'an acknowledged object out of the ledger',
      { ledger: new Set(['ct-1']) },
      {},
      /^acknowledged, and not in the ledger: ct-2/,
    ],
    [
      'an acknowledged object out of the index',
      {},
      { indexed: new Set(['ct-1']) },
      /^acknowledged, and not indexed: ct-2/,
    ],
    ['a study out of the index', { studies: new Map() }, {}, /^study is not indexed/],
    [
      'a study nobody sent',
      {
        studies: new Map([
          [uid, study],
          ['9', study],
        ]),
      },
      {},
      /^a study nobody sent: 9/,
    ],
    ['a study that is not complete', {}, { complete: false }, /^study is not complete/],
    ['a study without a decision', {}, { decision: undefined }, /^study is neither linked nor quarantined/],
    [
      'a quarantine without a reason',
      {},
      { decision: 'quarantined', publications: [] },
      /^study is quarantined without a reason/,
    ],
    ['a quarantined study that was published', {}, { decision: 'quarantined' }, /^a quarantined study was published/],
    ['a job that has not ended', {}, { jobs: [...jobs, { id: 'job-4', state: 'running' }] }, /^a job has not ended/],
    ['a job that failed', {}, { jobs: [...jobs, { id: 'job-4', state: 'failed' }] }, /^a job failed/],
    ['no job', {}, { jobs: [] }, /^no job completed/],
    ['no publication', {}, { publications: [] }, /^a result was not published/],
    [
      'a publication that waits',
      {},
      { publications: [...publications, publication('job-2', [], { state: 'due' })] },
      /^a publication waits/,
    ],
    ['a publication that is parked', { parkedPublications: 1 }, {}, /^1 publications are parked/],
    ['a fact in an outbox', { outboxRows: 2 }, {}, /^2 facts wait in outboxes/],
    [
      'a fact that is parked',
      { parked: [parked, { eventId: 'a fact', where: 'study_index' }] },
      {},
      /^parked: study_index a fact/,
    ],
    ['poison that is not parked', { parked: [] }, {}, /^poison that is not parked: poison/],
  ])('finds %s', (_what, state, change, finding) => {
    expect(judged(state, change)).toContainEqual(expect.stringMatching(finding));
  });
});
