/**
 * True when `text` is what the pattern describes: `*` any characters, `?` any one. The text is read once, whatever the
 * pattern, and is held no second time: values are up to megabytes, and a pattern some hundred characters (`readMatch`), of
 * which 32 are one step a character.
 */
export function matchesWildcard(pattern: string, text: string): boolean {
  if (!/[*?]/.test(pattern)) return pattern === text;
  const { count, words, stays, anyOne, byCharacter } = compiled(pattern);
  // Bit n: the text up to here is what the first n characters of the pattern describe, its asterisks left out.
  const reached = new Int32Array(words);
  reached[0] = 1;
  const isWhole = (): boolean => bitOf(reached, count);
  for (let i = 0; i < text.length;) {
    // Nothing that follows changes that.
    if (bitOf(stays, count) && isWhole()) return true;
    const character = text.codePointAt(i) ?? 0;
    i += character > 0xffff ? 2 : 1;
    const enters = byCharacter.get(character) ?? anyOne;
    let carry = 0;
    let any = 0;
    for (let word = 0; word < words; word++) {
      const before = reached[word] ?? 0;
      const now = (((before << 1) | carry) & (enters[word] ?? 0)) | (before & (stays[word] ?? 0));
      carry = before >>> 31;
      reached[word] = now;
      any |= now;
    }
    if (any === 0) return false;
  }
  return isWhole();
}

interface Compiled {
  /** Characters without asterisks. */
  readonly count: number;
  /** Of 32 bits, for all counts from 0 to that. */
  readonly words: number;
  /** Where an asterisk stands: any character leaves it as it is. */
  readonly stays: Int32Array;
  /** What a character enters that the pattern does not name. */
  readonly anyOne: Int32Array;
  readonly byCharacter: ReadonlyMap<number, Int32Array>;
}

function compiled(pattern: string): Compiled {
  const characters = [...pattern];
  const count = characters.filter((one) => one !== '*').length;
  const words = (count >> 5) + 1;
  const stays = new Int32Array(words);
  const anyOne = new Int32Array(words);
  const named: [number, number][] = [];
  let at = 0;
  for (const one of characters) {
    if (one === '*') setBit(stays, at);
    else if (one === '?') setBit(anyOne, ++at);
    else named.push([one.codePointAt(0) ?? 0, ++at]);
  }
  const byCharacter = new Map<number, Int32Array>();
  for (const [character, bit] of named) {
    const enters = byCharacter.get(character) ?? anyOne.slice();
    setBit(enters, bit);
    byCharacter.set(character, enters);
  }
  return { count, words, stays, anyOne, byCharacter };
}

const setBit = (words: Int32Array, bit: number): void => {
  words[bit >> 5] = (words[bit >> 5] ?? 0) | (1 << (bit & 31));
};
const bitOf = (words: Int32Array, bit: number): boolean => ((words[bit >> 5] ?? 0) & (1 << (bit & 31))) !== 0;
