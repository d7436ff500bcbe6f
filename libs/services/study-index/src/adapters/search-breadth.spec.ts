import { imaging } from '@callosum/contracts';
import { describe, expect, it } from 'vitest';

import { planSearch } from '../application/search-plan.js';
import { isBroad } from './search-breadth.js';

const asks = (keys: Record<string, string>, offset = 0, more: Partial<imaging.SearchRequest> = {}): boolean => {
  const matches = Object.entries(keys).map(([tag, value]) => ({ tag, value }));
  const level = imaging.QueryLevel.QUERY_LEVEL_STUDY;
  return isBroad(planSearch(imaging.SearchRequest.fromPartial({ level, matches, ...more })), offset);
};
const [name, patientId, studyDate, modalities, diagnoses] = [
  '00100010',
  '00100020',
  '00080020',
  '00080061',
  '00081080',
];

describe('a search that may look at all there is', () => {
  it.each<[string, Record<string, string>]>([
    ['what no index has', { [diagnoses]: 'x*' }],
    ['what no index has, of many years', { [diagnoses]: 'x*', [studyDate]: '20000101-20261231' }],
    ['what no index has, from a day on', { [diagnoses]: 'x*', [studyDate]: '20260101-' }],
    ['what no index has, of one modality', { [diagnoses]: 'x*', [modalities]: 'CT' }],
    ['what no index has, of a Study ID', { [diagnoses]: 'x*', '00200010': '1' }],
    ['an item of a sequence', { '00081110.00081155': '1.2.3' }],
    ['two letters in a name', { [name]: '*ko*' }],
    ['the end of a Patient ID', { [patientId]: '*1' }],
    ['SOP classes', { '00080062': '1.2.3' }],
  ])('is one for %s', (_, keys) => {
    expect(asks(keys)).toBe(true);
  });

  it.each<[string, Record<string, string>]>([
    ['the newest', {}],
    ['a study', { '0020000D': '1.2.3', [diagnoses]: 'x*' }],
    ['studies', { '0020000D': '1.2.3,1.2.4' }],
    ['a patient', { [patientId]: 'P-1', [diagnoses]: 'x*' }],
    ['the beginning of a Patient ID', { [patientId]: 'MRN*', [diagnoses]: 'x*' }],
    ['an accession number', { '00080050': 'A-1' }],
    ['a day', { [studyDate]: '20260102', [diagnoses]: 'x*' }],
    ['a month over the turn of the year', { [studyDate]: '20251220-20260119', [diagnoses]: 'x*' }],
    ['a birth date', { '00100030': '19700131' }],
    ['many years', { [studyDate]: '20000101-20261231', [modalities]: 'CT\\MR' }],
    ['a name', { [name]: 'Li^Bo', [diagnoses]: 'x*' }],
    ['the beginning of a name', { [name]: 'schmitt*', [diagnoses]: 'x*' }],
    ['a letter', { [name]: 's*' }],
    ['a Study ID', { '00200010': '1' }],
    ['the middle of a name', { [name]: '*denschei*' }],
    ['a description', { '00081030': '*CHEST*' }],
  ])('is none for %s', (_, keys) => {
    expect(asks(keys)).toBe(false);
  });

  it('is one that passes over very many', () => {
    expect(asks({}, 10_000)).toBe(false);
    expect(asks({}, 10_001)).toBe(true);
  });

  it('is none for words, of which three letters are known', () => {
    expect(asks({ [name]: 'lude' }, 0, { fuzzyMatching: true })).toBe(false);
    expect(asks({ [name]: '*ude*' }, 0, { fuzzyMatching: true })).toBe(false);
    expect(asks({ [name]: 'l' }, 0, { fuzzyMatching: true })).toBe(true);
  });

  it('is one for a date and time of many years only with another key', () => {
    const moment = { [studyDate]: '20000101-20261231', '00080030': '0800-0900' };
    expect(asks(moment, 0, { combinedDatetime: true })).toBe(false);
    expect(asks({ ...moment, [diagnoses]: 'x*' }, 0, { combinedDatetime: true })).toBe(true);
  });
});
