import { foldText } from './fold-text.js';

// Person names (PN): matched without regard to case (PS3.4 C.2.2.2.1), by component group and by component.

/** The components of one group of a name key, in lower case: family, given, middle, prefix, suffix. */
export type NamePattern = readonly string[];

/** Lower case, accents as they are. The two small sigmas are one letter. */
const foldCase = (text: string): string => text.normalize('NFC').toLowerCase().replaceAll('ς', 'σ');

const spaced = (text: string): string => text.trim().replace(/\s+/g, ' ');

/** Component groups of a name or of a name key; a group without any component is an empty list. */
export function nameGroups(name: string): NamePattern[] {
  return foldCase(name)
    .split('=')
    .slice(0, 3)
    .map((group) => {
      const components = group.split('^').map(spaced);
      while (components.at(-1) === '') components.pop();
      return components;
    });
}

/** What fuzzy matching looks for in a name; folded as {@link nameWords} are. */
export interface NamePart {
  readonly text: string;
  /** It begins a word; else it is anywhere in one. */
  readonly isBeginning: boolean;
}

/** Without case and accents. The two small sigmas are one letter. */
const foldName = (text: string): string => foldText(text).replaceAll('ς', 'σ');

/** Words of a name for fuzzy matching. */
export const nameWords = (name: string): string[] =>
  foldName(name)
    .split(/[\s^=*?,-]+/)
    .filter((word) => word.length > 0);

/**
 * The parts of a key for fuzzy matching: what stands behind a wildcard may have anything before it, so that a key finds no
 * less than it does without.
 */
export const nameParts = (key: string): NamePart[] =>
  [...foldName(key).matchAll(/([*?]?)([^\s^=*?,-]+)/g)].map(([, wildcard, text = '']) => ({
    text,
    isBeginning: wildcard === '',
  }));

/** True when each part is in some word of the name. */
export function hasParts(parts: readonly NamePart[], stored: string): boolean {
  const words = nameWords(stored);
  return parts.every(({ text, isBeginning }) =>
    words.some((word) => (isBeginning ? word.startsWith(text) : word.includes(text))),
  );
}

/**
 * True when a name is what its key describes. Each component of the key is compared with the one in its place; the last
 * one also with what follows it, so that `doe*` finds DOE^JANE and `doe` does not. A component that is left out in the
 * middle has to be empty, `*` takes any.
 * @param wildcard whether a text is what a pattern of `*` and `?` describes
 */
export function matchesName(
  groups: readonly (NamePattern | undefined)[],
  stored: string,
  wildcard: (pattern: string, text: string) => boolean,
): boolean {
  const names = nameGroups(stored);
  const isLike = (pattern: NamePattern, name: NamePattern | undefined): boolean =>
    name !== undefined && name.length > 0 && matchesGroup(pattern, name, wildcard);
  const [first] = groups;
  // Whoever writes one group alone need not know in which of them the name stands.
  if (groups.length === 1 && first) return names.some((name) => isLike(first, name));
  return groups.every((pattern, i) => !pattern || isLike(pattern, names[i]));
}

function matchesGroup(
  pattern: NamePattern,
  name: NamePattern,
  wildcard: (pattern: string, text: string) => boolean,
): boolean {
  const last = pattern.length - 1;
  return pattern.every((component, i) => {
    const given = i === last ? name.slice(i).join('^') : (name[i] ?? '');
    return wildcard(component, given);
  });
}
