import type { HumanName } from './resources.js';
import { stringOf } from './text.js';

/** Which writing a name is in (ISO 21090, R4 extension iso21090-EN-representation). */
const representationUrl = 'http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation';
/** PS3.5 6.2.1.1: alphabetic, ideographic and phonetic component groups, in this order. */
const representations = ['ABC', 'IDE', 'SYL'] as const;

/** Stands in decoded text for what could not be read (U+FFFD REPLACEMENT CHARACTER). */
export const unreadableCharacter = '\uFFFD';

/**
 * DICOM PN to FHIR HumanNames, one for each component group that is filled. A lone alphabetic name carries
 * no extension; beside others each says its writing. Components are family^given^middle^prefix^suffix
 * (PS3.5 6.2.1); given and middle become `given` in this order, unsplit. Empty for an empty value; a group that could
 * not be read is left out.
 */
export function humanNamesFromDicom(pn: string | undefined): HumanName[] {
  const names: HumanName[] = [];
  const groups = (pn ?? '').split('=').slice(0, representations.length);
  groups.forEach((group, index) => {
    const name = fromGroup(group);
    if (!name) return;
    if (groups.length > 1) name.extension = [{ url: representationUrl, valueCode: representations[index] ?? 'ABC' }];
    names.push(name);
  });
  if (names.length === 1 && representationOf(names[0]) === 'ABC') delete names[0]?.extension;
  return names;
}

function fromGroup(group: string): HumanName | undefined {
  if (group.includes(unreadableCharacter)) return undefined;
  const [family, given, middle, prefix, suffix] = group.split('^').map(stringOf);
  const name: HumanName = {};
  if (family) name.family = family;
  const givens = [given, middle].filter((part): part is string => Boolean(part));
  if (givens.length > 0) name.given = givens;
  if (prefix) name.prefix = [prefix];
  if (suffix) name.suffix = [suffix];
  return Object.keys(name).length > 0 ? name : undefined;
}

function representationOf(name: HumanName | undefined): string {
  return name?.extension?.find(({ url }) => url === representationUrl)?.valueCode ?? 'ABC';
}

/**
 * FHIR HumanNames to DICOM PN: the first name of each writing, preferring `use` official, then usual.
 * "^", "=", "\" and control characters cannot stand in a component and become spaces. A group that is longer than PS3.5
 * 6.2 allows loses its suffix first, then prefix and middle names, then its end. Empty string when nothing is known.
 */
export function humanNamesToDicom(names: readonly HumanName[] | undefined): string {
  const ranked = [...(names ?? [])].sort((a, b) => rank(a) - rank(b));
  const groups = representations.map((writing) => {
    const name = ranked.find((candidate) => representationOf(candidate) === writing);
    return name ? toGroup(name) : '';
  });
  return groups.join('=').replace(/=+$/, '');
}

const rank = ({ use }: HumanName): number =>
  use === 'official' ? 0 : use === 'usual' ? 1 : use === 'old' || use === 'maiden' ? 3 : 2;

/** PS3.5 6.2: characters of a component group, its "^" among them. */
const groupCharactersMax = 64;

function toGroup(name: HumanName): string {
  const [first, ...others] = name.given ?? [];
  const components = [name.family, first, others.join(' '), name.prefix?.join(' '), name.suffix?.join(' ')].map(
    toComponent,
  );
  const text = groupOf(components) || toComponent(name.text);
  return fits(text) ? text : cut(text);
}

/** Without its last components, until it fits; family and first given name stay. */
function groupOf(components: readonly string[]): string {
  for (let count = components.length; count > 2; count--) {
    const text = joined(components.slice(0, count));
    if (fits(text)) return text;
  }
  return joined(components.slice(0, 2));
}

const joined = (components: readonly string[]): string => components.join('^').replace(/\^+$/, '');
const fits = (text: string): boolean => [...text].length <= groupCharactersMax;
const cut = (text: string): string =>
  [...text]
    .slice(0, groupCharactersMax)
    .join('')
    .replace(/[\^ ]+$/, '');

const toComponent = (text: string | undefined): string =>
  (text ?? '')
    .toWellFormed()
    .replace(/[\^=\\\p{Cc}]/gu, ' ')
    .trim();
