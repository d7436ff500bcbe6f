import { describe, expect, it } from 'vitest';

import type { StudyContents } from '../study-contents.js';
import { imagingStudy } from './imaging-study.js';

const withNumbers = (seriesNumber: number | undefined, instanceNumber: number | undefined): StudyContents => ({
  studyInstanceUid: '1.2',
  revision: 1,
  studyDate: '20260301',
  studyTime: '',
  studyDescription: '',
  timezoneOffsetFromUtc: '',
  identityDigest: 'd',
  series: [
    {
      seriesInstanceUid: '1.3',
      modality: 'CT',
      seriesNumber,
      seriesDescription: '',
      bodyPartExamined: '',
      laterality: '',
      seriesDate: '',
      seriesTime: '',
      instances: [{ sopInstanceUid: '1.4', sopClassUid: '1.5', instanceNumber }],
    },
  ],
});

describe('an ImagingStudy', () => {
  it.each([
    [0, 0],
    [7, 7],
    [undefined, undefined],
    // IS may be negative, FHIR's unsignedInt may not.
    [-1, undefined],
  ])('says Series and Instance Number %s as %s, and invents none', (number, said) => {
    const [series] = imagingStudy(withNumbers(number, number), 'Patient/1', { reference: 'Endpoint/1' }).series ?? [];
    expect([series?.number, series?.instance?.[0]?.number]).toEqual([said, said]);
  });
});
