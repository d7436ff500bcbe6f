import type { QueryKey as Key } from '@callosum/dicom';

import type { SearchQuery } from '../application/search.js';
import { literalsOf } from '../domain/grams.js';
import { computed } from '../domain/keys.js';
import { narrowName } from '../domain/match-name.js';
import { beginningMin, gramsOfKey, likePattern } from './search-conditions.js';

/** Keys whose single values an index finds: of one value there are some studies, and not a part of all. */
const identifiers: ReadonlySet<string> = new Set(['0020000D', '0020000E', '00080018', '00100020', '00080050']);
/** Study and Series Instance UID, in the order in which a path names them. */
const uids = ['0020000D', '0020000E'] as const;
/** Of these there may be very many: Study ID is 1 in whole archives. */
const indexedToo: ReadonlySet<string> = new Set([computed.modalitiesInStudy, '00200010']);
/** Text that an index finds by its beginning. */
const beginnings: ReadonlySet<string> = new Set(['00100020', '00080050']);
/** Names that an index finds, whole and by their beginning: the patient's and the referring physician's. */
const names: ReadonlySet<string> = new Set(['00100010', '00080090']);
const [studyDate, birthDate] = ['00080020', '00100030'];
/** A site has some ten thousand studies in so many days, which are looked at in some hundredths of a second. */
const fewDaysMax = 31;
/** Rows passed over are looked at, too. */
const offsetMax = 10_000;

/**
 * Whether a search may look at any number of rows before it finds what it is to find: no key binds it to some studies, and
 * not all of its keys have an index. Such a one may take as long as a statement may.
 */
export const isBroad = ({ keys }: Pick<SearchQuery, 'keys'>, offset: number): boolean =>
  offset > offsetMax || !(keys.some(binds) || keys.every(isIndexed));

/** Whether it is for one study by its UID, or its series: as few rows whatever the UID is. */
export const isOfOneStudy = ({ level, keys }: Pick<SearchQuery, 'level' | 'keys'>): boolean =>
  (level === 'study' || level === 'series') &&
  keys.length > 0 &&
  keys.length <= uids.length &&
  keys.every(
    ({ path, condition }, i) =>
      path.length === 1 && path[0] === uids[i] && condition.kind === 'equal' && condition.values.length === 1,
  );

function binds(key: Key): boolean {
  const { path, condition } = key;
  const [tag = '', ...inItems] = path;
  if (inItems.length > 0) return false;
  switch (condition.kind) {
    case 'equal':
      return identifiers.has(tag);
    case 'wildcard':
      return beginnings.has(tag) && condition.patterns.every((pattern) => begins(likePattern(pattern), beginningMin));
    case 'name':
      return names.has(tag) && beginsName(key, beginningMin);
    case 'date':
    case 'moment':
      return (tag === studyDate || tag === birthDate) && daysIn(condition) <= fewDaysMax;
    default:
      return false;
  }
}

/** Where many match some are soon met, newest first; where few do the index has them. */
function isIndexed(key: Key): boolean {
  const { path, condition } = key;
  const [tag = '', ...inItems] = path;
  if (inItems.length > 0) return false;
  if (gramsOfKey(key).length > 0) return true;
  switch (condition.kind) {
    case 'equal':
      return identifiers.has(tag) || indexedToo.has(tag);
    case 'wildcard':
      return beginnings.has(tag) && condition.patterns.every((pattern) => begins(likePattern(pattern), 1));
    case 'name':
      return names.has(tag) && beginsName(key, 1);
    case 'date':
    case 'moment':
      return tag === studyDate || tag === birthDate;
    default:
      return false;
  }
}

/** Of one group at least all of it is said, or so much of its beginning. */
const beginsName = ({ condition }: Key, charactersMin: number): boolean =>
  condition.kind === 'name' &&
  condition.groups.some((group) => {
    const narrowing = group && narrowName(group);
    return narrowing && (narrowing.kind === 'equal' || begins(narrowing.text, charactersMin));
  });

const begins = (like: string, charactersMin: number): boolean =>
  [...(literalsOf(like)[0] ?? '')].length >= charactersMin;

/** Infinity where an end is open. */
function daysIn({ from, to }: { readonly from?: string | undefined; readonly to?: string | undefined }): number {
  if (from === undefined || to === undefined) return Number.POSITIVE_INFINITY;
  const [first, last] = [from, to].map(
    (day) => Date.UTC(Number(day.slice(0, 4)), Number(day.slice(4, 6)) - 1, Number(day.slice(6, 8))) / 86_400_000,
  ) as [number, number];
  return last - first + 1;
}
