import { isUid } from '@callosum/kernel';
import { expect, it } from 'vitest';

import { attributesOf, studyOf, studyQueries } from './studies.js';

const studies = Array.from({ length: 20_000 }, (_, n) => studyOf(n));

it('studies have UIDs of their own, and patients three of them', () => {
  const uids = studies.flatMap((study) => [study.studyInstanceUid, study.seriesInstanceUid, study.sopInstanceUid]);
  expect(new Set(uids).size).toBe(60_000);
  expect(uids.every(isUid)).toBe(true);
  expect(studies.filter(({ patientId }) => patientId === studies[9]?.patientId)).toHaveLength(3);
  expect(attributesOf(studyOf(7))['00100010']).toMatchObject({ vr: 'PN', Value: [{ Alphabetic: 'NAME0002^GIVEN2' }] });
});

it('every query finds something, and all but one not everything', () => {
  const counts = studyQueries(studies.length).map(({ name, matches }) => [name, studies.filter(matches).length]);
  expect(counts).toEqual([
    ['one StudyInstanceUID', 1],
    ['one PatientID', 3],
    ['one AccessionNumber', 1],
    ['family name, with a wildcard', 3],
    ['CT of one week', 7],
    ['every study', 20_000],
  ]);
});
