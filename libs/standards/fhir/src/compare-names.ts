import type { HumanName } from './resources.js';

/** How two values of one attribute relate: absent or incomparable values neither agree nor contradict. */
export type Comparison = 'agrees' | 'contradicts' | 'unknown';

/** A name as words of one writing; `core` holds what every spelling of it has: family name and first given name. */
interface Words {
  readonly core: readonly string[];
  readonly all: readonly string[];
}

const representationUrl = 'http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation';
const writings = ['ABC', 'IDE', 'SYL'] as const;
type Writing = (typeof writings)[number];

/** Titles that stand in family or given names where a system has no prefix field. */
const titles: ReadonlySet<string> = new Set([
  'dr',
  'prof',
  'mr',
  'mrs',
  'ms',
  'miss',
  'sir',
  'herr',
  'frau',
  'mme',
  'mlle',
]);
/** Letters that decomposition leaves whole. */
const folded: Readonly<Record<string, string>> = {
  ß: 'ss',
  æ: 'a',
  œ: 'o',
  ø: 'o',
  ł: 'l',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ı: 'i',
};

/**
 * Words of a text without case, diacritics, punctuation and titles. "Müller", "MUELLER" and "Muller" give one word;
 * transliterated umlauts fold on both sides, so that no spelling of a name is told from another by them.
 */
export function nameWords(text: string): string[] {
  return text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .normalize('NFKC')
    .replace(/[ßæœøłđðþı]/g, (letter) => folded[letter] ?? letter)
    .replace(/['’`.]/g, '')
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '' && !titles.has(word))
    .map((word) => word.replace(/([aou])e/g, '$1'));
}

/**
 * Compares a DICOM PN with the names of a FHIR Patient, writing by writing: one that agrees is enough, and only
 * names that can be compared contradict. Component order, middle names, prefixes and suffixes do not count.
 */
export function compareNames(pn: string, names: readonly HumanName[]): Comparison {
  const results: Comparison[] = [];
  pn.split('=').forEach((group, index) => {
    const writing = writings[index];
    const ours = writing && wordsOfComponents(group.split('^'), writing);
    if (!writing || !ours || ours.all.length === 0) return;
    for (const name of names) {
      if (writingOf(name) !== writing) continue;
      results.push(compareWords(ours, wordsOfHumanName(name, writing), writing));
    }
  });
  if (results.includes('agrees')) return 'agrees';
  return results.length > 0 && results.every((result) => result === 'contradicts') ? 'contradicts' : 'unknown';
}

const writingOf = (name: HumanName): Writing => {
  const code = name.extension?.find(({ url }) => url === representationUrl)?.valueCode;
  return code === 'IDE' || code === 'SYL' ? code : 'ABC';
};

/** Family^given^middle^prefix^suffix (PS3.5 6.2.1); an unstructured name is its words. */
function wordsOfComponents([family = '', given = '', middle = '']: readonly string[], writing: Writing): Words {
  return toWords(family, [given, middle], writing);
}

function wordsOfHumanName(name: HumanName, writing: Writing): Words {
  if (!name.family && !name.given?.length) return toWords(name.text ?? '', [], writing);
  return toWords(name.family ?? '', name.given ?? [], writing);
}

function toWords(family: string, given: readonly string[], writing: Writing): Words {
  // Ideographic and phonetic names are written with and without spaces: each component is one word.
  const split = (text: string): string[] =>
    writing === 'ABC' ? nameWords(text) : [nameWords(text).join('')].filter((word) => word !== '');
  const familyWords = split(family);
  const givenWords = given.flatMap(split);
  return { core: [...familyWords, ...givenWords.slice(0, 1)], all: [...familyWords, ...givenWords] };
}

/**
 * Both cores found in the other name: the same name. One found: a name that says less (family only, one of two family
 * names, an initial), which is no evidence either way. None: another name.
 */
function compareWords(a: Words, b: Words, writing: Writing): Comparison {
  if (a.all.length === 0 || b.all.length === 0) return 'unknown';
  // 山田^太郎 is also written 山田太郎.
  if (writing !== 'ABC' && a.all.join('') === b.all.join('')) return 'agrees';
  const within = (core: readonly string[], all: readonly string[], same: (x: string, y: string) => boolean): boolean =>
    core.every((word) => all.some((other) => same(word, other)));
  const equal = (x: string, y: string): boolean => x === y;
  if (a.core.length > 1 && b.core.length > 1 && within(a.core, b.all, equal) && within(b.core, a.all, equal))
    return 'agrees';
  if (within(a.core, b.all, alike) || within(b.core, a.all, alike)) return 'unknown';
  return 'contradicts';
}

/** An initial stands for any word it begins. */
const alike = (x: string, y: string): boolean =>
  x === y || (x.length === 1 && y.startsWith(x)) || (y.length === 1 && x.startsWith(y));
