import { imaging } from '@callosum/contracts';
import { describe, expect, it } from 'vitest';

import { planSearch } from '../application/search-plan.js';
import { gramsOfKey } from './search-conditions.js';

const grams = (tag: string, value: string, fuzzyMatching = false): string[] => {
  const level = imaging.QueryLevel.QUERY_LEVEL_STUDY;
  const { keys } = planSearch(imaging.SearchRequest.fromPartial({ level, matches: [{ tag, value }], fuzzyMatching }));
  return keys.flatMap(gramsOfKey);
};
const [name, patientId, accession, description, studyId] = ['00100010', '00100020', '00080050', '00081030', '00200010'];

describe('grams of a key', () => {
  it.each([
    ['what is in the middle', patientId, '*4711*', ['471', '711']],
    ['what it ends with', accession, '*-77', ['-77']],
    ['what is on both sides of a wildcard', patientId, 'ab*cde?fgh', ['cde', 'fgh']],
    ['signs of LIKE as they are', accession, '*1%_2*', ['1%_', '%_2']],
    ['the middle of a name, without case and accents', name, '*LÜDEN*', ['lud', 'ude', 'den']],
    [
      'the middle of a name over a blank',
      name,
      '*anna maria*',
      ['ann', 'nna', 'na^', 'a^m', '^ma', 'mar', 'ari', 'ria'],
    ],
    ['each group of a name', name, '*yam*=*田^花*', ['yam', '田^花']],
    ['no letter that has two forms', name, '*ουλος*', ['ουλ', 'υλο']],
    ['the beginning of a description', description, 'CHEST*', ['CHE', 'HES', 'EST']],
    ['all of a description', description, 'CHEST', ['CHE', 'HES', 'EST']],
  ])('are of %s', (_, tag, value, expected) => {
    expect(grams(tag, value)).toEqual(expected);
  });

  it.each([
    ['beginnings that an index has', patientId, 'abc*def*'],
    ['beginnings of names that an index has', name, 'schmitt*'],
    ['a whole value that an index has', patientId, '4711'],
    ['a whole name', name, 'schmitt^hanna'],
    ['two characters', patientId, '*47*'],
    ['what is in no text', studyId, '*4711*'],
  ])('are none of %s', (_, tag, value) => {
    expect(grams(tag, value)).toEqual([]);
  });

  it('of words are those of their beginnings, with what stands before a word', () => {
    expect(grams(name, 'Lüd ha', true)).toEqual(['^lu', 'lud', '^ha']);
    expect(grams(name, 'l', true)).toEqual([]);
  });

  it('of parts behind a wildcard are those that stand in the middle of a word, but for letters of two forms', () => {
    expect(grams(name, '*LÜDEN* ha', true)).toEqual(['lud', 'ude', 'den', '^ha']);
    expect(grams(name, '*οδυσσευς*', true)).toEqual(['οδυ']);
    expect(grams(name, '*ha*', true)).toEqual([]);
  });
});
