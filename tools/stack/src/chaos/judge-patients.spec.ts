import { expect, it } from 'vitest';

import { judgePatients } from './judge-patients.js';
import type { Resource } from './judge-record.js';
import type { PlannedStudy } from './planned-study.js';

const study = (uid: string, id: string, birthDate: string): PlannedStudy => ({
  studyInstanceUid: uid,
  expected: 'published',
  patient: { id, birthDate },
  transfers: [],
  by: 'dimse',
});
const planned = [study('1.1', 'A', '19580214'), study('1.2', 'B', '19580214')];
const patient = (id: string, value: string, birthDate = '1958-02-14'): Resource => ({
  resourceType: 'Patient',
  id,
  identifier: [{ system: 'urn:x', value }],
  birthDate,
});
const patients = [patient('a', 'A'), patient('b', 'B'), patient('old', 'A', '2001-01-01')];
const of = (who: string) => ({ subject: { reference: `Patient/${who}` } });
const imagingStudy: Resource = {
  resourceType: 'ImagingStudy',
  id: '1',
  identifier: [{ system: 'urn:dicom:uid', value: 'urn:oid:1.1' }],
  ...of('a'),
};
const ofStudy = [{ reference: 'ImagingStudy/1' }];
const report: Resource = { resourceType: 'DiagnosticReport', id: '1', imagingStudy: ofStudy, ...of('a') };
const observation: Resource = { resourceType: 'Observation', id: '1', derivedFrom: ofStudy, ...of('a') };
const task: Resource = {
  resourceType: 'Task',
  id: '1',
  focus: { reference: 'ImagingStudy/1' },
  for: { reference: 'Patient/a' },
};
const record = { imagingStudies: [imagingStudy], reports: [report], observations: [observation], tasks: [task] };

it('finds nothing where all of a study is about whom the sender named', () => {
  expect(judgePatients(record, patients, planned)).toEqual([]);
});

it.each<[string, Partial<typeof record>, string]>([
  [
    'a study',
    { imagingStudies: [{ ...imagingStudy, ...of('b') }] },
    'ImagingStudy/1 is about another person than its study',
  ],
  ['a report', { reports: [{ ...report, ...of('b') }] }, 'DiagnosticReport/1 is about another person than its study'],
  [
    'an Observation',
    { observations: [{ ...observation, ...of('b') }] },
    'Observation/1 is about another person than its study',
  ],
  [
    'a Task',
    { tasks: [{ ...task, for: { reference: 'Patient/b' } }] },
    'Task/1 is about another person than its study',
  ],
  [
    'a report about the other person of one Patient ID',
    { reports: [{ ...report, ...of('old') }] },
    'DiagnosticReport/1 is about another person than its study',
  ],
  [
    'a report about a Patient that is not there',
    { reports: [{ ...report, ...of('gone') }] },
    'DiagnosticReport/1 is about nobody',
  ],
  [
    'an Observation of nothing',
    { observations: [{ ...observation, derivedFrom: [] }] },
    'Observation/1 is of no study that was sent',
  ],
])('%s of the wrong person is found', (_what, change, finding) => {
  expect(judgePatients({ ...record, ...change }, patients, planned)).toEqual([finding]);
});
