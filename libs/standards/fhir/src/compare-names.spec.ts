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
    ['==ﾀﾅｶ^ﾋﾛｼ', '==タナカ^ヒロシ', 'letters of half width'],
    ['Йорданов^Сергей', 'ЙОРДАНОВ^СЕРГЕЙ', 'other alphabets'],
    ['Mueller^Anna', 'MÜLLER^ANNA', 'transliterated umlauts, the other way round'],
    ['MUELLER^ANNA', 'Mueller^Anna', 'transliterated umlauts on both sides'],
    ['Goetz-Maeder^Joerg', 'Götz-Mäder^Jörg', 'several umlauts'],
    ['Mu\u0308ller^Anna', 'Mueller^Anna', 'an umlaut of two characters'],
    ['Soerensen^Bo', 'Sørensen^Bo', 'letters that are transliterated like umlauts'],
    ['Sorensen^Bo', 'Sørensen^Bo', 'letters that are stripped like umlauts'],
    ['Michael^Joe', 'MICHAEL^JOE', 'letters that look like a transliteration'],
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
    ['==たなか^ひろし', '==たなが^ひろし', 'another sound'],
    ['राम^दास', 'रम^दास', 'a vowel more'],
    ['Doe^Joel', 'Doe^Jo', 'more letters than an e'],
    ['Doe^John=\uFFFD\uFFFD', 'Roe^Jim', 'another name beside a writing that could not be read'],
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
    ['Muller^Anna', 'Mueller^Anna', 'perhaps one umlaut, written by neither'],
    ['Doe^Joe', 'Doe^Jo', 'an e more'],
    ['DOE^SUE', 'Doe^Su', 'an e more, in capitals'],
    ['Roe^Michael', 'Roe^Michal', 'an e inside'],
    ['Bauer^Anna', 'Baur^Anna', 'an e inside the family name'],
    ['Bäuer^Michael', 'Bäuer^Michal', 'an umlaut of another word'],
    ['M\uFFFDller^Anna', 'Müller^Anna', 'a character that could not be read'],
    ['M\uFFFDller^Anna', 'Roe^Rick', 'a character that could not be read, and another name'],
    ['Doe^John', 'Doe^J\uFFFDhn', 'a character of the record that could not be read'],
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

  it('of plain letters agree only when they are the same words', () => {
    const plain = fc.stringMatching(/^[aeoul]{2,4}$/);
    fc.assert(
      fc.property(plain, plain, plain, plain, (a, b, c, d) => {
        const found = against(`${a}^${b}`, `${c}^${d}`);
        const sameWords =
          new Set([a, b, c, d]).size === new Set([a, b]).size && new Set([c, d]).size === new Set([a, b]).size;
        expect(found === 'agrees').toBe(sameWords);
      }),
      { seed: 20261126, numRuns: 20_000 },
    );
  });

  it('with umlauts agree with both ways of writing them, and those with each other only where they are one', () => {
    const umlauts = fc.stringMatching(/^[aeoulnäöü]{2,6}$/);
    const strip = (text: string): string => text.replace(/[äöü]/g, (letter) => 'aou'.charAt('äöü'.indexOf(letter)));
    const expand = (text: string): string => text.replace(/[äöü]/g, (letter) => `${strip(letter)}e`);
    fc.assert(
      fc.property(umlauts, (name) => {
        const [stripped, expanded] = [`${strip(name)}^Anna`, `${expand(name).toUpperCase()}^ANNA`];
        expect(against(`${name}^Anna`, stripped)).toBe('agrees');
        expect(against(`${name}^Anna`, expanded)).toBe('agrees');
        expect(against(stripped, expanded)).toBe(strip(name) === expand(name) ? 'agrees' : 'unknown');
      }),
      { seed: 20261126, numRuns: 2_000 },
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
