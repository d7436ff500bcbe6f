import { describe, expect, it } from 'vitest';

import { type ClinicalRecord, judgeRecord, type Resource } from './judge-record.js';
import type { StudyState } from './judge-state.js';
import { perResult, publication, publications, stateOf, uid } from './judged-study.js';

const identifier = (system: string, value: string) => [{ system, value }];
const task = (id: string, status: string): Resource => ({
  resourceType: 'Task',
  id,
  status,
  identifier: identifier('urn:callosum:job', id),
  focus: { reference: 'ImagingStudy/1' },
});
const provenance = (job: string, versionId = '1'): Resource => ({
  resourceType: 'Provenance',
  id: `provenance-${job}`,
  meta: { versionId, tag: [{ system: 'urn:callosum:publication', code: job }] },
  target: ['DiagnosticReport/1', 'Observation/1', `Task/${job}`].map((reference) => ({ reference })),
});
const imagingStudy: Resource = {
  resourceType: 'ImagingStudy',
  id: '1',
  identifier: identifier('urn:dicom:uid', `urn:oid:${uid}`),
};
const report: Resource = {
  resourceType: 'DiagnosticReport',
  id: '1',
  meta: { versionId: '2' },
  status: 'preliminary',
  imagingStudy: [{ reference: 'ImagingStudy/1' }],
  result: [{ reference: 'Observation/1' }],
};
const observation: Resource = {
  resourceType: 'Observation',
  id: '1',
  status: 'preliminary',
  derivedFrom: [{ reference: 'ImagingStudy/1' }],
};
const record: ClinicalRecord = {
  imagingStudies: [imagingStudy],
  reports: [report],
  observations: [observation],
  tasks: [task('job-1', 'completed'), task('job-2', 'completed'), task('job-3', 'cancelled')],
  provenances: [provenance('job-1'), provenance('job-2')],
  distinctVersions: new Map(),
};

describe('the judge of the record', () => {
  const judged = (change: Partial<ClinicalRecord>, state: Partial<StudyState> = {}): string[] =>
    judgeRecord({ ...record, ...change }, stateOf(state), perResult);
  const [first, second, third] = record.tasks as [Resource, Resource, Resource];
  const extra = { id: 'extra' };

  it('finds nothing where each result is there once', () => {
    expect(judged({})).toEqual([]);
  });

  it('takes a version that was written again for what it is: nobody heard the first answer', () => {
    const again = { ...report, meta: { versionId: '3' } };
    const provenances = [provenance('job-1'), provenance('job-2', '2')];
    expect(judged({ reports: [again], provenances, distinctVersions: new Map([['1', 2]]) })).toEqual([]);
    expect(judged({ reports: [again], provenances, distinctVersions: new Map([['1', 3]]) })).toEqual([
      `its report said 3 things, by 2 results: study ${uid}`,
    ]);
  });

  it('takes what a result left that another overtook on its way', () => {
    const overtaken = [publication('job-1', [], { state: 'superseded', published: false }), ...publications.slice(1)];
    expect(judged({}, { publications: overtaken })).toEqual([]);
    const clean = {
      reports: [{ ...report, meta: { versionId: '1' } }],
      tasks: [second, third],
      provenances: [provenance('job-2')],
    };
    expect(judged(clean, { publications: overtaken })).toEqual([]);
  });

  it.each<[string, Partial<ClinicalRecord>, RegExp]>([
    ['no ImagingStudy', { imagingStudies: [] }, /^0 ImagingStudy resources/],
    [
      'two ImagingStudies',
      { imagingStudies: [imagingStudy, { ...imagingStudy, ...extra }] },
      /^2 ImagingStudy resources/,
    ],
    [
      'an ImagingStudy of nothing',
      { imagingStudies: [imagingStudy, { ...imagingStudy, ...extra, identifier: [] }] },
      /^nothing accounts for ImagingStudy\/extra/,
    ],
    ['no report', { reports: [] }, /^0 reports/],
    ['two reports', { reports: [report, { ...report, ...extra }] }, /^2 reports/],
    [
      'a report of nothing',
      { reports: [report, { ...report, ...extra, imagingStudy: [] }] },
      /^nothing accounts for DiagnosticReport\/extra/,
    ],
    ['a report in another state', { reports: [{ ...report, status: 'cancelled' }] }, /^its report is cancelled/],
    ['a report without its Observation', { reports: [{ ...report, result: [] }] }, /^its report names 0 Observations/],
    ['an Observation less', { observations: [] }, /^its report names 1 Observations, 0 are there/],
    [
      'an Observation more',
      { observations: [observation, { ...observation, ...extra }] },
      /^nothing accounts for Observation\/extra/,
    ],
    [
      'an Observation of another study',
      { observations: [{ ...observation, derivedFrom: [] }] },
      /^an Observation of its report is of another study/,
    ],
    [
      'an Observation taken back',
      { observations: [{ ...observation, status: 'entered-in-error' }] },
      /^an Observation of its report is entered-in-error/,
    ],
    ['a Task less', { tasks: [first, third] }, /^0 Tasks of job job-2/],
    ['a Task more', { tasks: [...record.tasks, { ...first, ...extra }] }, /^2 Tasks of job job-1/],
    [
      'a Task of nothing',
      { tasks: [...record.tasks, task('job-9', 'completed')] },
      /^nothing accounts for Task\/job-9/,
    ],
    [
      'a Task that has not ended',
      { tasks: [{ ...first, status: 'in-progress' }, second, third] },
      /^the Task of job job-1 is in-progress/,
    ],
    [
      'a Task of another study',
      { tasks: [{ ...first, focus: {} }, second, third] },
      /^the Task of job job-1 is of another study/,
    ],
    ['a Provenance less', { provenances: [provenance('job-1')] }, /^0 Provenances of job job-2/],
    [
      'a Provenance more',
      { provenances: [...record.provenances, { ...provenance('job-1'), ...extra }] },
      /^2 Provenances of job job-1/,
    ],
    [
      'a Provenance of another job',
      { provenances: [...record.provenances, provenance('job-9')] },
      /^a Provenance of its report is of no result: job-9/,
    ],
    [
      'a Provenance of nothing',
      { provenances: [...record.provenances, { ...provenance('job-9'), target: [] }] },
      /^nothing accounts for Provenance\/provenance-job-9/,
    ],
    [
      'a Provenance that leaves the Observation out',
      { provenances: [provenance('job-1'), { ...provenance('job-2'), target: [{ reference: 'DiagnosticReport/1' }] }] },
      /^the Provenance of job job-2 does not say whose/,
    ],
    [
      'a version without Provenance',
      { reports: [{ ...report, meta: { versionId: '3' } }] },
      /^3 versions of its report, 2 of their Provenances/,
    ],
  ])('finds %s', (_what, change, finding) => {
    expect(judged(change)).toContainEqual(expect.stringMatching(finding));
  });

  it('finds everything of a quarantined study', () => {
    const findings = judged({}, { decision: 'quarantined' });
    expect(findings).toContain(`is in the record, though quarantined: study ${uid}`);
    expect(findings.filter((one) => one.startsWith('nothing accounts for'))).toHaveLength(8);
  });
});
