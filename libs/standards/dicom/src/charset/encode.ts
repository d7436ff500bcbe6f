import { isSingleText } from '../vr.js';
import { chineseBytes } from './chinese.js';
import { ascii, type CodeElement, jisKatakana, jisRomaji, multiByte, singleByte } from './code-elements.js';
import { characterSetTerms, isCodeExtended } from './terms.js';

/** Writes text in one Specific Character Set (PS3.3 C.12.1.1.2, PS3.5 6.1.2). */
export interface TextEncoding {
  /** Defined terms joined by a backslash, as (0008,0005) holds them; '' for the default repertoire. */
  readonly characterSet: string;
  /**
   * The bytes of a value, or of several joined by a backslash, without padding.
   * @returns undefined when the set lacks one of the characters
   */
  encode(text: string, vr: string): Uint8Array | undefined;
}

/**
 * How text is written in a Specific Character Set: defined terms joined by a backslash, '' for the default repertoire.
 * Undefined when a term is none that the standard defines, or they cannot stand together.
 */
export function textEncodingOf(characterSet: string): TextEncoding | undefined {
  const given = characterSetTerms(characterSet);
  const [only = ''] = given;
  if (given.length === 1 && standAlone[only]) return standAlone[only];
  // Value 1 is what each value returns to, and no set of two bytes (PS3.3 C.12.1.1.2): ASCII is meant before one.
  const isMulti = elementsOf(only)?.some(({ width }) => width === 2) ?? false;
  const terms = isMulti ? ['', ...given] : given;
  const sets = terms.map(elementsOf);
  if (!sets.every((set) => set !== undefined)) return undefined;
  const elements = isCodeExtended(terms) ? [...sets.flat(), ascii] : sets.flat();
  const [first = []] = sets;
  const initial: Invoked = {
    g0: first.find(({ plane }) => plane === 'G0') ?? ascii,
    g1: first.find(({ plane }) => plane === 'G1'),
  };
  return {
    characterSet: terms.join('\\'),
    encode: (text, vr) => {
      if (initial.g0 === ascii && /^[\x00-\x1a\x1c-\x7f]*$/.test(text)) return Buffer.from(text, 'latin1');
      return encodeElements(text, vr, elements, initial);
    },
  };
}

const utf8: TextEncoding = { characterSet: 'ISO_IR 192', encode: (text) => Buffer.from(text, 'utf8') };
const chinese = (characterSet: string, extended: boolean): TextEncoding => ({
  characterSet,
  encode: (text) => {
    const bytes: number[] = [];
    for (const character of text) {
      const code = chineseBytes(character.codePointAt(0) ?? 0, extended);
      if (!code) return undefined;
      bytes.push(...code);
    }
    return Uint8Array.from(bytes);
  },
});
const standAlone: Readonly<Record<string, TextEncoding>> = {
  'ISO_IR 192': utf8,
  GB18030: chinese('GB18030', true),
  GBK: chinese('GBK', false),
};

/** The code elements of one defined term, G0 first. */
function elementsOf(term: string): readonly CodeElement[] | undefined {
  const number = /^ISO(?:_| 2022 )IR (\d+)$/.exec(term)?.[1];
  if (term === '' || number === '6') return [ascii];
  if (number === '13') return [jisRomaji, jisKatakana];
  const single = number === undefined ? undefined : singleByte[number];
  if (single) return [ascii, single];
  const multi = number === undefined || !term.startsWith('ISO 2022') ? undefined : multiByte[number];
  return multi && [multi];
}

/** What the two planes mean at the moment. */
interface Invoked {
  g0: CodeElement;
  g1: CodeElement | undefined;
}

/**
 * One pass that switches where it must. After an escape sequence for G0 whatever stood in G1 is designated again before
 * its next character: readers that take each escape sequence for the start of a run in one set read it, too.
 */
function encodeElements(
  text: string,
  vr: string,
  elements: readonly CodeElement[],
  initial: Readonly<Invoked>,
): Uint8Array | undefined {
  const bytes: number[] = [];
  const now = { ...initial };
  const returnToInitial = (): void => {
    if (now.g0 !== initial.g0) bytes.push(...initial.g0.escape);
    Object.assign(now, initial);
  };
  for (const character of text) {
    const codePoint = character.codePointAt(0) ?? 0;
    if (isDelimiter(codePoint, vr)) {
      returnToInitial();
      bytes.push(codePoint);
      continue;
    }
    const candidates = [now.g0, ...(now.g1 ? [now.g1] : []), ...elements];
    const element = candidates.find((one) => one.codeOf(codePoint) !== undefined);
    const code = element?.codeOf(codePoint);
    if (!element || code === undefined) return undefined;
    invoke(element, now, initial, bytes);
    if (element.width === 2) bytes.push(code >> 8, code & 0xff);
    else bytes.push(code);
  }
  returnToInitial();
  return Uint8Array.from(bytes);
}

function invoke(element: CodeElement, now: Invoked, initial: Readonly<Invoked>, bytes: number[]): void {
  if (element.plane === 'G0') {
    if (now.g0 === element) return;
    bytes.push(...element.escape);
    now.g0 = element;
    now.g1 = undefined;
    return;
  }
  if (now.g0.width === 2) {
    bytes.push(...initial.g0.escape);
    now.g0 = initial.g0;
    now.g1 = undefined;
  }
  if (now.g1 === element) return;
  bytes.push(...element.escape);
  now.g1 = element;
}

/** Before these the set of value 1 is in force again (PS3.5 6.1.2.5.3). */
function isDelimiter(codePoint: number, vr: string): boolean {
  if (codePoint === 0x0a || codePoint === 0x0c || codePoint === 0x0d || codePoint === 0x09) return true;
  if (codePoint === 0x5c) return !isSingleText(vr);
  return vr === 'PN' && (codePoint === 0x5e || codePoint === 0x3d);
}
