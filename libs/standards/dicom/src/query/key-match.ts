import {
  type DicomJson,
  type DicomJsonElement,
  type DicomJsonValue,
  type PersonName,
  personNameText,
} from '../json.js';
import type { Tag } from '../tags.js';
import type { Condition } from './match.js';
import { hasParts, matchesName } from './match-name.js';
import { dateKey, type Range, readDateTime, readOffset, timeKey } from './match-time.js';
import { matchesWildcard } from './wildcard.js';

/** One key of a query: an attribute, on the way to it the sequences whose items hold it, and what it has to be. */
export interface Key {
  readonly path: readonly Tag[];
  readonly condition: Condition;
}

/**
 * True when a dataset matches all keys (PS3.4 C.2.2.2). Of several values one has to match (C.2.2.3); keys in the same
 * sequence are matched within one item (C.2.2.2.6).
 */
export function matchesKeys(dataset: DicomJson, keys: readonly Key[]): boolean {
  const inItems = new Map<Tag, Key[]>();
  for (const key of keys) {
    const [tag = '', ...rest] = key.path;
    if (rest.length === 0) {
      if (!matchesElement(dataset, tag, key.condition)) return false;
      continue;
    }
    inItems.set(tag, [...(inItems.get(tag) ?? []), { ...key, path: rest }]);
  }
  return [...inItems].every(([tag, inner]) => itemsOf(dataset[tag]).some((item) => matchesKeys(item, inner)));
}

/** The items of a sequence; none when it is no sequence. */
export const itemsOf = (element: DicomJsonElement | undefined): DicomJson[] =>
  element?.vr === 'SQ' ? ((element.Value ?? []) as DicomJson[]) : [];

function matchesElement(dataset: DicomJson, tag: Tag, condition: Condition): boolean {
  const values = (dataset[tag]?.Value ?? []).filter((value) => textOf(value) !== '');
  if (condition.kind === 'empty') return values.length === 0;
  return values.some((value) => matchesValue(value, condition, dataset));
}

function matchesValue(value: DicomJsonValue, condition: Condition, dataset: DicomJson): boolean {
  const text = textOf(value);
  switch (condition.kind) {
    case 'equal':
      return condition.values.includes(text.trimEnd());
    case 'wildcard':
      return condition.patterns.some((pattern) => matchesWildcard(pattern, text.trimEnd()));
    case 'number':
      return Number(text) === condition.value;
    case 'date':
      return isWithin(dateKey(text), condition);
    case 'time':
      return isWithin(timeKey(text), condition);
    case 'moment':
      return matchesMoment(text, condition, dataset);
    case 'datetime':
      return matchesDateTime(text, condition, dataset);
    case 'name':
      return matchesName(condition.groups, text, matchesWildcard);
    case 'words':
      return hasParts(condition.parts, text);
    case 'empty':
      return false;
  }
}

function textOf(value: DicomJsonValue): string {
  if (value === null) return '';
  return typeof value === 'object' ? personNameText(value as PersonName) : String(value);
}

function isWithin<T extends string | number>(value: T | undefined, { from, to }: Range<T>): boolean {
  return value !== undefined && (from === undefined || value >= from) && (to === undefined || value <= to);
}

/** A date without a time is all of its day. */
function matchesMoment(date: string, condition: Extract<Condition, { kind: 'moment' }>, dataset: DicomJson): boolean {
  const day = dateKey(date);
  if (day === undefined) return false;
  const time = timeKey(textOf(dataset[condition.timeTag]?.Value?.[0] ?? null));
  const earliest = `${day}${time ?? '000000000000'}`;
  const latest = `${day}${time ?? '999999999999'}`;
  return (
    (condition.from === undefined || latest >= condition.from) &&
    (condition.to === undefined || earliest <= condition.to)
  );
}

/** A value without an offset has that of its dataset, where it says one (PS3.3 C.12.1.1.8). */
function matchesDateTime(
  text: string,
  condition: Extract<Condition, { kind: 'datetime' }>,
  dataset: DicomJson,
): boolean {
  const moment = readDateTime(text);
  if (!moment) return false;
  if (!condition.isUtc) return isWithin(moment.from, condition);
  const offset = moment.offset ?? readOffset(textOf(dataset['00080201']?.Value?.[0] ?? null)) ?? 0;
  return isWithin(moment.from - offset, condition);
}
