import { isUid } from '@callosum/kernel';

import { MalformedMatchError } from './errors.js';
import { normaliseName } from './identity.js';

/** How an attribute is compared; decided by its VR and PS3.4 C.2.2.2. */
export type MatchForm = 'uid' | 'text' | 'name' | 'date' | 'time' | 'integer';

/** One match key, read. `like` patterns are for SQL LIKE with '\' as escape. */
export type Condition =
  | { readonly kind: 'equal'; readonly values: readonly string[] }
  | { readonly kind: 'like'; readonly pattern: string }
  | { readonly kind: 'between'; readonly from?: string; readonly to?: string }
  | { readonly kind: 'words'; readonly prefixes: readonly string[] };

/** A UID list longer than this is no query of a person or viewer. */
export const uidListMax = 1_000;
/** LO is at most 64 characters, PN 64 a group: longer values match nothing. */
const valueCharactersMax = 400;
const timeDigits = 12;

/**
 * Reads a match value (PS3.4 C.2.2.2): single value, UID list, wildcard, range. Undefined is universal
 * matching: the key selects nothing and is only returned.
 * @throws {MalformedMatchError} when the value cannot be of its form; names the tag only
 */
export function readMatch(tag: string, form: MatchForm, value: string, fuzzy = false): Condition | undefined {
  if (/^\**$/.test(value)) return undefined;
  if (form === 'uid') return uidCondition(tag, value);
  if (value.length > valueCharactersMax)
    throw new MalformedMatchError(tag, `longer than ${valueCharactersMax} characters`);
  switch (form) {
    case 'date':
      return rangeCondition(
        value,
        (text) => readDate(tag, text),
        (text) => readDate(tag, text),
      );
    case 'time':
      return timeCondition(tag, value);
    case 'integer':
      if (!/^[+-]?\d{1,11}$/.test(value.trim())) throw new MalformedMatchError(tag, 'not an integer string (IS)');
      return { kind: 'equal', values: [String(Number(value))] };
    case 'name':
      if (fuzzy) return { kind: 'words', prefixes: nameWords(value) };
      // A name matches by any of its component groups; of several given, the first filled one is compared.
      return textCondition(
        normaliseName(value)
          .split('=')
          .find((group) => group !== '') ?? '',
      );
    case 'text':
      return textCondition(value.replace(/ +$/, ''));
  }
}

function uidCondition(tag: string, value: string): Condition {
  const values = value.split(/[\\,]/).map((uid) => uid.trim());
  if (values.length > uidListMax) throw new MalformedMatchError(tag, `more than ${uidListMax} UIDs`);
  if (!values.every(isUid)) throw new MalformedMatchError(tag, 'not a UID or a list of UIDs');
  return { kind: 'equal', values };
}

function textCondition(value: string): Condition {
  if (!/[*?]/.test(value)) return { kind: 'equal', values: [value] };
  const pattern = value.replace(/[\\%_*?]+/g, (run) =>
    [...run].map((c) => (c === '*' ? '%' : c === '?' ? '_' : `\\${c}`)).join(''),
  );
  return { kind: 'like', pattern };
}

const nameWords = (value: string): string[] =>
  normaliseName(value)
    .split(/[\s^=*?,]+/)
    .filter((word) => word.length > 0);

/** "a-b", "a-", "-b" or one value. */
function rangeCondition(value: string, from: (text: string) => string, to: (text: string) => string): Condition {
  const parts = value.split('-').map((part) => part.trim());
  const [first = '', second = ''] = parts;
  if (parts.length === 1) return { kind: 'between', from: from(first), to: to(first) };
  return {
    kind: 'between',
    ...(first === '' ? {} : { from: from(first) }),
    ...(second === '' ? {} : { to: to(second) }),
  };
}

function readDate(tag: string, text: string): string {
  const date = text.replaceAll('.', '');
  if (!/^\d{8}$/.test(date)) throw new MalformedMatchError(tag, 'not a date (DA) or a range of dates');
  return date;
}

/** Times of less precision stand for the whole interval: "10" is 10:00:00 to 10:59:59.999999. */
function timeCondition(tag: string, value: string): Condition {
  const digits = (text: string): string => {
    const time = normaliseTime(text);
    if (time === undefined) throw new MalformedMatchError(tag, 'not a time (TM) or a range of times');
    return time;
  };
  return rangeCondition(
    value,
    (text) => digits(text).padEnd(timeDigits, '0'),
    (text) => digits(text).padEnd(timeDigits, '9'),
  );
}

/** Digits of a TM value, "HHMMSSFFFFFF" as far as given; undefined when it is no TM. */
export function normaliseTime(value: string): string | undefined {
  const time = value.trim().replaceAll(':', '');
  const match = /^(\d{2}(?:\d{2}(?:\d{2}(?:\.(\d{1,6}))?)?)?)$/.exec(time);
  return match ? time.replace('.', '') : undefined;
}

/** A stored TM as twelve digits that compare as text; undefined when it is no TM. */
export const timeKey = (value: string): string | undefined => normaliseTime(value)?.padEnd(timeDigits, '0');
