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

  it('says of text what a string of FHIR may hold, and leaves out what has nothing else', () => {
    const contents = withNumbers(1, 1);
    const [series] = contents.series;
    if (!series) throw new Error('no series');
    const odd = {
      seriesDescription: 'Thorax\u00a0native\x01 ',
      bodyPartExamined: '\x02\u3000',
      modality: 'C\x01T\x00',
    };
    const made = imagingStudy(
      { ...contents, studyDescription: '\x1bCT\u2028Abdomen', series: [{ ...series, ...odd }] },
      'Patient/1',
      { reference: 'Endpoint/1' },
    );
    expect(made.description).toBe('CT Abdomen');
    expect(made.modality).toMatchObject([{ code: 'C T' }]);
    expect(made.series?.[0]).toMatchObject({ description: 'Thorax native', modality: { code: 'C T' } });
    expect(made.series?.[0]?.bodySite).toBeUndefined();
    expect(JSON.stringify(made)).not.toMatch(/\\u0|[\u0080-\u00a0\u2028\u3000]/);
  });
});
