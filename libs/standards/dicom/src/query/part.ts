import type { DicomJson, DicomJsonElement } from '../json.js';
import { dictionaryEntry, type Tag } from '../tags.js';
import { itemsOf, type Key, matchesKeys } from './key-match.js';

/** What an answer holds of a dataset: attributes whole, or of items of sequences these. */
export type Wanted = ReadonlyMap<Tag, Wanted | 'whole'>;

/** Of paths: tags on the way to an attribute. */
export function wantedOf(paths: readonly (readonly Tag[])[]): Wanted {
  const wanted = new Map<Tag, Wanted | 'whole'>();
  for (const tag of new Set(paths.map(([first = '']) => first))) {
    const inner = paths.filter((path) => path[0] === tag).map((path) => path.slice(1));
    wanted.set(tag, inner.some((path) => path.length === 0) ? 'whole' : wantedOf(inner));
  }
  return wanted;
}

/** In ascending order of tags. */
export const inTagOrder = (dataset: DicomJson): DicomJson =>
  Object.fromEntries(Object.entries(dataset).sort(([a], [b]) => (a < b ? -1 : 1)));

/** The keys that are about the items of this sequence. */
export const keysInItems = (keys: readonly Key[], tag: Tag): Key[] =>
  keys
    .filter(({ path }) => path.length > 1 && path[0] === tag)
    .map(({ path, condition }) => ({ path: path.slice(1), condition }));

/** Of a sequence the items that match, and in them what was asked for (PS3.4 C.2.2.2.6). */
export function partOf(element: DicomJsonElement, want: Wanted | 'whole', keys: readonly Key[]): DicomJsonElement {
  if (want === 'whole') return element;
  const items = itemsOf(element)
    .filter((item) => matchesKeys(item, keys))
    .map((item) => {
      const part: DicomJson = {};
      for (const [tag, inner] of want) {
        const found = item[tag];
        part[tag] = found ? partOf(found, inner, keysInItems(keys, tag)) : { vr: dictionaryEntry(tag)?.vr ?? 'UN' };
      }
      return inTagOrder(part);
    });
  return items.length === 0 ? { vr: 'SQ' } : { vr: 'SQ', Value: items };
}
