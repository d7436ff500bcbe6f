// Three characters in a row, by which text is found that has others before and after what is looked for.

/** Of a long text the first say enough: each narrows what is left. */
const gramsMax = 16;
/** Between grams of the index. */
const separator = '\n';

/** The grams of texts that all have to be there; a text of less than three characters has none. */
export function gramsOf(texts: readonly string[]): string[] {
  const grams = new Set<string>();
  for (const text of texts) {
    const characters = [...text];
    for (let at = 0; at + 3 <= characters.length; at++) {
      const gram = characters.slice(at, at + 3).join('');
      if (!gram.includes(separator)) grams.add(gram);
    }
  }
  return [...grams].slice(0, gramsMax);
}

/**
 * What a pattern of SQL LIKE with '\' as its escape has as it stands, between its wildcards.
 * @returns the first is what it begins with, and the last what it ends with
 */
export function literalsOf(pattern: string): string[] {
  const literals = [''];
  for (let at = 0; at < pattern.length; at++) {
    const c = pattern.charAt(at);
    if (c === '%' || c === '_') literals.push('');
    else literals[literals.length - 1] += c === '\\' ? pattern.charAt(++at) : c;
  }
  return literals;
}
