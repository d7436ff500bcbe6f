import { unreadableCharacter } from './names.js';
import type { HumanName } from './resources.js';

/** How two values of one attribute relate: absent or incomparable values neither agree nor contradict. */
export type Comparison = 'agrees' | 'contradicts' | 'unknown';

/** The ways one word is written. Words are equal when a way of one is a way of the other. */
interface Spelling {
  /** Without case and diacritics: "Müller" is "muller". */
  readonly plain: string;
  /** With the letters that its own umlauts stand for: "Müller" is "mueller", and "Mueller" as well, but "Muller" is not. */
  readonly expanded: string;
  /** As if every "ae", "oe" and "ue" were an umlaut: tells what might be one word, never what is. */
  readonly folded: string;
}

/** A name as words of one writing; `core` holds what every spelling of it has: family name and first given name. */
interface Words {
  readonly core: readonly Spelling[];
  readonly all: readonly Spelling[];
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
/** Letters that decomposition leaves whole: how they are written plainly, and expanded where that differs. */
const wholeLetters: Readonly<Record<string, readonly [plain: string, expanded?: string]>> = {
  ß: ['ss'],
  æ: ['ae'],
  œ: ['oe'],
  ø: ['o', 'oe'],
  ł: ['l'],
  đ: ['d'],
  ð: ['d'],
  þ: ['th'],
  ı: ['i'],
};

/**
 * Words of a text without case, diacritics, punctuation and titles. "Müller", "MUELLER" and "Muller" give one word;
 * so do names of different people ("Joe" and "Jo"): good for measuring and finding, not for saying that names agree.
 * None of a text that could not be read.
 */
export const nameWords = (text: string): string[] => spellings(text).map(({ folded }) => folded);

function spellings(text: string): Spelling[] {
  if (isUnreadable(text)) return [];
  return text
    .normalize('NFKD')
    .toLowerCase()
    .replace(/['’`.]/g, '')
    .split(/[^\p{L}\p{N}\p{M}]+/u)
    .map((word) => {
      const plain = lettersOf(word, ([letters]) => letters);
      return spelling(
        plain,
        lettersOf(word.replace(/([aou])\u0308/g, '$1e'), ([letters, more]) => more ?? letters),
      );
    })
    .filter(({ plain }) => plain !== '' && !titles.has(plain));
}

const isUnreadable = (text: string): boolean => text.includes(unreadableCharacter);

/** Combining diacritical marks, points of Hebrew and Arabic. Marks of other scripts tell words apart (か and が). */
const diacritics = /[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670]/g;

const lettersOf = (word: string, choose: (of: readonly [string, string?]) => string): string =>
  word
    .replace(diacritics, '')
    .normalize('NFKC')
    .replace(/[ßæœøłđðþı]/g, (letter) => choose(wholeLetters[letter] ?? [letter]));

const spelling = (plain: string, expanded: string): Spelling => ({
  plain,
  expanded,
  folded: plain.replace(/([aou])e+/g, '$1'),
});

/**
 * Compares a DICOM PN with the names of a FHIR Patient, writing by writing: one that agrees is enough, and only
 * names that can be compared contradict. Component order, middle names, prefixes and suffixes do not count.
 *
 * Case and diacritics do not count. "ae", "oe" and "ue" agree with an umlaut that one of both really writes, and with
 * it only:
 *
 * | | Müller | Mueller | Muller |
 * |---|---|---|---|
 * | Müller | agrees | agrees | agrees |
 * | Mueller | agrees | agrees | unknown |
 * | Muller | agrees | unknown | agrees |
 *
 * "Mueller" and "Muller" may be one name in two transliterations, or two names as "Joe" and "Jo" are: no evidence.
 * A writing that could not be read (U+FFFD) is compared with nothing.
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
  if ([family, ...given].some(isUnreadable)) return { core: [], all: [] };
  // Ideographic and phonetic names are written with and without spaces: each component is one word.
  const split = (text: string): Spelling[] =>
    writing === 'ABC' ? spellings(text) : joined(spellings(text)).filter(({ plain }) => plain !== '');
  const familyWords = split(family);
  const givenWords = given.flatMap(split);
  return { core: [...familyWords, ...givenWords.slice(0, 1)], all: [...familyWords, ...givenWords] };
}

const joined = (words: readonly Spelling[]): Spelling[] => [
  spelling(words.map(({ plain }) => plain).join(''), words.map(({ expanded }) => expanded).join('')),
];

/**
 * Both cores found in the other name: the same name. One found: a name that says less (family only, one of two family
 * names, an initial), or one that may be the same in another transliteration, which is no evidence either way. None:
 * another name.
 */
function compareWords(a: Words, b: Words, writing: Writing): Comparison {
  if (a.all.length === 0 || b.all.length === 0) return 'unknown';
  // 山田^太郎 is also written 山田太郎.
  const [whole, other] = [joined(a.all)[0], joined(b.all)[0]];
  if (writing !== 'ABC' && whole && other && equal(whole, other)) return 'agrees';
  if (a.core.length > 1 && b.core.length > 1 && within(a.core, b.all, equal) && within(b.core, a.all, equal))
    return 'agrees';
  if (within(a.core, b.all, alike) || within(b.core, a.all, alike)) return 'unknown';
  return 'contradicts';
}

type Same = (x: Spelling, y: Spelling) => boolean;

const within = (core: readonly Spelling[], all: readonly Spelling[], same: Same): boolean =>
  core.every((word) => all.some((other) => same(word, other)));

const equal: Same = (x, y) =>
  x.plain === y.plain || x.expanded === y.plain || x.plain === y.expanded || x.expanded === y.expanded;

/** An initial stands for any word it begins. */
const alike: Same = (x, y) =>
  x.folded === y.folded || equal(x, y) || begins(x.plain, y.plain) || begins(y.plain, x.plain);

const begins = (initial: string, word: string): boolean => initial.length === 1 && word.startsWith(initial);
