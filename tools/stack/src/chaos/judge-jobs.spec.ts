import { topics } from '@callosum/contracts';
import { describe, expect, it } from 'vitest';

import type { LogRecord } from '../cluster/read-log.js';
import { judgeJobs, repeatedRecords } from './judge-jobs.js';
import type { StudyState } from './judge-state.js';
import {
  earlierSeg,
  earlierSr,
  jobs,
  perResult,
  publication,
  publications,
  seg,
  sr,
  stateOf,
  uid,
} from './judged-study.js';

const { jobScheduled, jobCompleted, jobFailed, resultPublished, studyUpdated } = topics;
let offset = 0;
const fact = (topic: { readonly name: string }, eventId: string, value: object | string): LogRecord => ({
  topic: topic.name,
  partition: 0,
  offset: String(offset++),
  key: 'key',
  eventId,
  headers: { ce_id: eventId },
  value: typeof value === 'string' ? value : JSON.stringify(value),
});
const publishedFact = (jobId: string, names: readonly string[], more: object = {}): object => ({
  studyInstanceUid: uid,
  kind: 'PUBLICATION_KIND_RESULT',
  jobId,
  imagingStudyReference: 'ImagingStudy/1',
  diagnosticReportReference: 'DiagnosticReport/1',
  observationReferences: ['Observation/1'],
  taskReference: `Task/${jobId}`,
  segSopInstanceUid: names[0] ?? '',
  srSopInstanceUid: names[1] ?? '',
  ...more,
});
const failure = { kind: 'PUBLICATION_KIND_FAILURE', diagnosticReportReference: '', observationReferences: [] };
const log: readonly LogRecord[] = [
  ...jobs.map(({ id }) => fact(jobScheduled, `scheduled ${id}`, { jobId: id })),
  fact(jobCompleted, 'completed job-1', { jobId: 'job-1' }),
  fact(jobCompleted, 'completed job-2', { jobId: 'job-2' }),
  fact(jobFailed, 'failed job-3', { jobId: 'job-3', reason: 'JOB_FAILURE_REASON_SUPERSEDED' }),
  fact(resultPublished, 'study alone', { studyInstanceUid: uid, kind: 'PUBLICATION_KIND_IMAGING_STUDY' }),
  fact(resultPublished, 'published job-1', publishedFact('job-1', [earlierSeg, earlierSr])),
  fact(resultPublished, 'published job-2', publishedFact('job-2', [seg, sr])),
  fact(resultPublished, 'published job-3', publishedFact('job-3', [], failure)),
  fact(studyUpdated, 'of another topic', 'not of a job'),
];
const without = (eventId: string): LogRecord[] => log.filter((one) => one.eventId !== eventId);
const replaced = (eventId: string, value: object): LogRecord[] =>
  log.map((one) => (one.eventId === eventId ? { ...one, value: JSON.stringify(value) } : one));
const poison = ['poison'];

describe('the judge of jobs', () => {
  const judged = (records: readonly LogRecord[], change: Partial<StudyState> = {}): string[] =>
    judgeJobs(records, stateOf(change), { perResult, poison });

  it('finds nothing where each job ended once and was published once, nor in a fact that comes again', () => {
    const again = [...log, ...log.slice(-4), fact(jobFailed, 'poison', 'not JSON')];
    expect([judged(log), judged(again)]).toEqual([[], []]);
    expect(repeatedRecords(again)).toBe(4);
  });

  it.each<[string, readonly LogRecord[], Partial<StudyState>, RegExp]>([
    ['ended twice', [...log, fact(jobCompleted, 'other', { jobId: 'job-1' })], {}, /^2 facts that it ended/],
    [
      'completed and failed',
      [...log, fact(jobFailed, 'other', { jobId: 'job-2', reason: 'JOB_FAILURE_REASON_ATTEMPTS_EXHAUSTED' })],
      {},
      /^2 facts that it ended/,
    ],
    ['ended in no fact', without('completed job-2'), {}, /^0 facts that it ended/],
    [
      'is said to have ended before it did',
      log,
      { jobs: [...jobs.slice(0, 2), { id: 'job-3', state: 'running' }] },
      /^1 facts that it ended, in state running/,
    ],
    [
      'ended otherwise than its row says',
      log,
      { jobs: [{ id: 'job-1', state: 'failed' }, ...jobs.slice(1)] },
      /^the log says that it completed, its row failed/,
    ],
    [
      'failed for another reason',
      replaced('failed job-3', { jobId: 'job-3', reason: 'JOB_FAILURE_REASON_INVALID_RESULT' }),
      {},
      /^failed as JOB_FAILURE_REASON_INVALID_RESULT, its row superseded/,
    ],
    [
      'was scheduled twice',
      [...log, fact(jobScheduled, 'other', { jobId: 'job-1' })],
      {},
      /^2 facts that it was scheduled/,
    ],
    ['was never scheduled', without('scheduled job-1'), {}, /^0 facts that it was scheduled/],
    [
      'was published twice',
      [...log, fact(resultPublished, 'other', publishedFact('job-2', [seg, sr]))],
      {},
      /^2 facts that its outcome/,
    ],
    ['was published in no fact', without('published job-2'), {}, /^0 facts that its outcome/],
    [
      'is said to be published, and is not',
      log,
      { publications: [publication('job-1', [], { published: false }), ...publications.slice(1)] },
      /^1 facts that its outcome was published, not 0/,
    ],
    ['has no publication', log, { publications: publications.slice(0, 2) }, /^0 publications/],
    ['has two publications', log, { publications: [...publications, publication('job-1', [])] }, /^2 publications/],
    [
      'has a publication of another kind',
      log,
      { publications: [...publications.slice(0, 2), publication('job-3', [])] },
      /^its result is to be published, it is superseded/,
    ],
    [
      'was published without a SEG',
      replaced('published job-2', publishedFact('job-2', ['', sr])),
      {},
      /^published with other objects/,
    ],
    [
      'was published with the SR of another',
      replaced('published job-2', publishedFact('job-2', [seg, earlierSr])),
      {},
      /^published with other objects/,
    ],
    [
      'was published without a report',
      replaced('published job-2', publishedFact('job-2', [seg, sr], { diagnosticReportReference: '' })),
      {},
      /^published without a report/,
    ],
    [
      'was published without a Task',
      replaced('published job-2', publishedFact('job-2', [seg, sr], { taskReference: '' })),
      {},
      /^published without a Task/,
    ],
    [
      'was published with an Observation twice',
      replaced(
        'published job-2',
        publishedFact('job-2', [seg, sr], { observationReferences: ['Observation/1', 'Observation/1'] }),
      ),
      {},
      /^published with 2 Observations/,
    ],
    [
      'was published as a failure',
      replaced('published job-2', publishedFact('job-2', [seg, sr], { kind: 'PUBLICATION_KIND_FAILURE' })),
      {},
      /^its result was published as PUBLICATION_KIND_FAILURE/,
    ],
    ['is nobody’s', [...log, fact(jobCompleted, 'other', { jobId: 'job-9' })], {}, /^facts of no job: job-9/],
    [
      'has a publication, and is nobody’s',
      log,
      { publications: [...publications, publication('job-9', [])] },
      /^a publication of no job: job-9/,
    ],
    [
      'has a fact that says two things',
      [...log, fact(jobCompleted, 'completed job-1', { jobId: 'job-1', attempt: 2 })],
      {},
      /^one ce_id says two things/,
    ],
    ['has a fact nobody can read', [...log, fact(jobCompleted, 'other', 'not JSON')], {}, /^a fact nobody can read/],
  ])('finds one that %s', (_what, records, change, finding) => {
    expect(judged(records, change)).toContainEqual(expect.stringMatching(finding));
  });
});
