import { imaging } from '@callosum/contracts';
import type { DicomJson } from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { answerOf, type SearchRow } from './search-answer.js';
import { planSearch } from './search-plan.js';

const { QUERY_LEVEL_INSTANCE: INSTANCE } = imaging.QueryLevel;
const study: SearchRow['study'] = {
  studyInstanceUid: '1.2',
  patientKey: '',
  patientName: '',
  modalities: ['CT'],
  seriesCount: 1,
  instanceCount: 1,
  attributes: {},
};
const creators: DicomJson = {
  '00290010': { vr: 'LO', Value: ['SIEMENS CSA HEADER'] },
  '00290011': { vr: 'LO', Value: ['ANOTHER'] },
};
const item: DicomJson = { ...creators, '00291008': { vr: 'CS', Value: ['IMAGE NUM 4'] } };
const metadata: DicomJson = { '00081140': { vr: 'SQ', Value: [item] }, ...item };

const answer = (more: Partial<imaging.SearchRequest>): DicomJson =>
  answerOf(
    { study, series: { instanceCount: 1, attributes: {} }, metadata },
    planSearch(imaging.SearchRequest.fromPartial({ level: INSTANCE, ...more })),
  );

describe('an attribute that QIDO-RS requires and the object has not', () => {
  const empty = {
    '00080020': { vr: 'DA' },
    '00080030': { vr: 'TM' },
    '00080050': { vr: 'SH' },
    '00080060': { vr: 'CS' },
    '00080090': { vr: 'PN' },
    '00100010': { vr: 'PN' },
    '00100020': { vr: 'LO' },
    '00100030': { vr: 'DA' },
    '00100040': { vr: 'CS' },
    '00200010': { vr: 'SH' },
    '00200011': { vr: 'IS' },
    '00200013': { vr: 'IS' },
  };

  it.each([false, true])(
    'is given without a value, in its place, and others are absent (all fields: %j)',
    (includeAll) => {
      const found = answer({ includeAll });
      expect(found).toMatchObject(empty);
      for (const tag of ['0008103E', '00081030', '00280010', '00400275']) expect(found).not.toHaveProperty([tag]);
      expect(Object.keys(found)).toEqual(Object.keys(found).sort());
    },
  );

  it('is not given of a level that the answer is without, nor to who says himself what he wants', () => {
    expect(Object.keys(answer({ returnedLevels: [INSTANCE] })).filter((tag) => tag in empty)).toEqual(['00200013']);
    expect(Object.keys(answer({ onlyRequested: true })).filter((tag) => tag in empty)).toEqual([]);
  });
});

describe('a private attribute that is asked for (PS3.18 10.6.3.3)', () => {
  it.each<[string, Partial<imaging.SearchRequest>]>([
    ['as a field', { includeTags: ['00291008'] }],
    ['as a key without a value', { matches: [{ tag: '00291008', value: '' }] }],
  ])('comes with its Private Creator, and not with others: %s', (_, more) => {
    const found = answer(more);
    expect(found).toMatchObject({ '00290010': creators['00290010'], '00291008': metadata['00291008'] });
    expect(found).not.toHaveProperty('00290011');
  });

  it('comes to who says himself what he wants, as C-FIND does, as it is asked for', () => {
    const asked = { onlyRequested: true, includeTags: ['00291008', '00081140.00291008'] };
    const found = answer(asked);
    expect(found).not.toHaveProperty('00290010');
    expect(found['00081140']?.Value).toEqual([{ '00291008': item['00291008'] }]);
  });

  it('is none where it is the creator or stands where PS3.5 has no block for it', () => {
    const { wanted } = planSearch(
      imaging.SearchRequest.fromPartial({ level: INSTANCE, includeTags: ['00290011', '00290001', '00280030'] }),
    );
    expect([...wanted.keys()].filter((tag) => tag.startsWith('0029'))).toEqual(['00290011', '00290001']);
  });
});
