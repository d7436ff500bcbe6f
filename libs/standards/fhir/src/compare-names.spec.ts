import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { compareNames } from './compare-names.js';
import { humanNamesFromDicom } from './names.js';
import type { HumanName } from './resources.js';

const against = (pn: string, other: string | HumanName): string =>
  compareNames(pn, typeof other === 'string' ? humanNamesFromDicom(other) : [other]);

describe('names', () => {
  it.each([
    ['Müller^Anna', 'MULLER^ANNA', 'case and diacritics'],
    ['Müller^Anna', 'Mueller^Anna', 'transliterated umlauts'],
    ['Doe^John^Michael', 'Doe^John', 'a middle name'],
    ['Doe^John Michael', 'Doe^John', 'a middle name in the given name'],
    ['Doe^John^^Dr', 'Doe^John', 'a prefix'],
    ['Doe^Dr. John', 'Doe^John', 'a title in the given name'],
    ['John^Doe', 'Doe^John', 'swapped components'],
    ['DOE JOHN', 'Doe^John', 'no components at all'],
    ["O'Neill^Sean", 'ONeill^Seán', 'an apostrophe'],
    ['Łukasz^Żak', 'Zak^Lukasz', 'letters that do not decompose'],
    ['Yamada^Tarou=山田^太郎=やまだ^たろう', 'X^Y=山田^太郎', 'the ideographic name'],
    ['=山田^太郎', '=山田太郎', 'ideographs without a component'],
  ])('%s agrees with %s: %s', (pn, other) => {
    expect(against(pn, other)).toBe('agrees');
  });

  it.each([
    ['Doe^John', 'Doe^Jane', 'another given name'],
    ['Doe^John', 'Roe^John', 'another family name'],
    ['=山田^太郎', '=山田^花子', 'another ideographic name'],
  ])('%s contradicts %s: %s', (pn, other) => {
    expect(against(pn, other)).toBe('contradicts');
  });

  it.each([
    ['', 'Doe^John', 'no name'],
    ['Doe^John', '', 'no name in the record'],
    ['Doe', 'Doe^John', 'family name only'],
    ['Doe^J', 'Doe^John', 'an initial'],
    ['Doe^John^Michael', 'Doe^Michael', 'a middle name used as the first'],
    ['Garcia Lopez^Maria', 'García^María', 'one of two family names'],
    ['Yamada^Tarou', '=山田^太郎', 'another writing'],
    ['^^^^', 'Doe^John', 'empty components'],
  ])('%s neither agrees nor contradicts %s: %s', (pn, other) => {
    expect(against(pn, other)).toBe('unknown');
  });

  it('reads a name that is text only', () => {
    expect(against('Doe^John', { text: 'Dr. John Doe' })).toBe('agrees');
  });

  const word = fc.stringMatching(/^[a-zäöüßéñ]{2,9}$/);
  const seed = { seed: 20261122, numRuns: 500 };

  it('agree with themselves, and comparing is symmetric', () => {
    fc.assert(
      fc.property(word, word, word, word, (a, b, c, d) => {
        expect(against(`${a}^${b}`, `${a.toUpperCase()}^${b.toUpperCase()}`)).toBe('agrees');
        expect(against(`${a}^${b}`, `${c}^${d}`)).toBe(against(`${c}^${d}`, `${a}^${b}`));
      }),
      seed,
    );
  });

  it('never agree when no word is shared', () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[b-m]{3,8}$/), { minLength: 2, maxLength: 3 }),
        fc.array(fc.stringMatching(/^[n-z]{3,8}$/), { minLength: 2, maxLength: 3 }),
        (a, b) => {
          expect(against(a.join('^'), b.join('^'))).toBe('contradicts');
        },
      ),
      seed,
    );
  });

  it('never fail, whatever was sent', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (a, b) => {
        expect(['agrees', 'contradicts', 'unknown']).toContain(against(a, b));
      }),
      seed,
    );
  });
});
