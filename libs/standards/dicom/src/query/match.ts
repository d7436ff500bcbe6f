import type { Tag } from '../tags.js';
import { isUid } from '@callosum/kernel';

import { MalformedMatchError } from '../errors.js';
import type { MatchForm } from './match-form.js';
import { type NamePart, nameParts, type NamePattern, nameGroups } from './match-name.js';
import { type Range, readDateRange, readDateTimeRange, readTimeRange } from './match-time.js';

/** What a match value says, read. Texts are as DICOM writes them; whoever compares puts them into its own language. */
export type Condition =
  /** One of these, as they stand. */
  | { readonly kind: 'equal'; readonly values: readonly string[] }
  /** `*` any characters, `?` any one; one of the patterns. */
  | { readonly kind: 'wildcard'; readonly patterns: readonly string[] }
  | { readonly kind: 'number'; readonly value: number }
  /** Eight digits. */
  | ({ readonly kind: 'date' } & Range<string>)
  /** Twelve digits: HHMMSSFFFFFF. */
  | ({ readonly kind: 'time' } & Range<string>)
  /** Twenty digits: the date of the key, and the time of `timeTag`. */
  | ({ readonly kind: 'moment'; readonly timeTag: Tag } & Range<string>)
  /** Microseconds since 1970, in UTC or else on the clock of what it is compared with. */
  | ({ readonly kind: 'datetime'; readonly isUtc: boolean } & Range<number>)
  /** By component group: alphabetic, ideographic, phonetic. One that stands alone in the first place matches any of them. */
  | { readonly kind: 'name'; readonly groups: readonly (NamePattern | undefined)[] }
  /** Each is in some word of the name. */
  | { readonly kind: 'words'; readonly parts: readonly NamePart[] }
  /** No value, or no attribute. */
  | { readonly kind: 'empty' };

export interface ReadMatchOptions {
  readonly fuzzy?: boolean;
  /** `""` matches what has no value (PS3.4 C.2.2.2.7). */
  readonly emptyValues?: boolean;
  /** Several values of a code string are several to choose from: nothing is defined for them (PS3.4 C.2.2.2.8, note 4). */
  readonly isCode?: boolean;
  /** Spaces at the beginning are part of text and comments (PS3.5 6.2: LT, ST, UC, UT). */
  readonly keepsLeadingSpace?: boolean;
}

/** A UID list longer than this is no query of a person or viewer. */
export const uidListMax = 1_000;
/** LO is at most 64 characters, PN 64 a group: longer values match nothing. */
const valueCharactersMax = 400;

/**
 * Reads a match value (PS3.4 C.2.2.2): single value, UID list, wildcard, range. Undefined is universal
 * matching: the key selects nothing and is only returned.
 * @throws {MalformedMatchError} when the value cannot be of its form; names the tag only
 */
export function readMatch(
  tag: string,
  form: MatchForm,
  sent: string,
  options: ReadMatchOptions = {},
): Condition | undefined {
  // As stored text is: NUL is padding, and half a character none.
  const value = sent.replaceAll('\0', '').toWellFormed();
  if (/^[* ]*$/.test(value)) return undefined;
  if (options.emptyValues === true && value.trim() === '""') return { kind: 'empty' };
  if (form === 'uid') return uidCondition(tag, value);
  if (value.length > valueCharactersMax)
    throw new MalformedMatchError(tag, `longer than ${valueCharactersMax} characters`);
  switch (form) {
    case 'date':
      return { kind: 'date', ...readDateRange(tag, value) };
    case 'time':
      return { kind: 'time', ...readTimeRange(tag, value) };
    case 'datetime':
      return { kind: 'datetime', ...readDateTimeRange(tag, value) };
    case 'number':
      return numberCondition(tag, value);
    case 'name':
      return nameCondition(value, options.fuzzy ?? false);
    case 'text':
      return textCondition(
        options.isCode === true ? value.split('\\') : [value],
        options.keepsLeadingSpace === true ? (text) => text.trimEnd() : (text) => text.trim(),
      );
  }
}

function uidCondition(tag: string, value: string): Condition {
  const values = value.split(/[\\,]/).map((uid) => uid.trim());
  if (values.length > uidListMax) throw new MalformedMatchError(tag, `more than ${uidListMax} UIDs`);
  if (!values.every(isUid)) throw new MalformedMatchError(tag, 'not a UID or a list of UIDs');
  return { kind: 'equal', values };
}

/** "007", "+7" and "7" are one number, "7.0" too. */
function numberCondition(tag: string, value: string): Condition {
  const text = value.trim();
  const number = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isFinite(number)) throw new MalformedMatchError(tag, 'not a number');
  return { kind: 'number', value: number };
}

function textCondition(sent: readonly string[], trim: (text: string) => string): Condition {
  // Spaces that mean nothing are not stored.
  const values = sent.map(trim);
  return values.some((value) => /[*?]/.test(value))
    ? { kind: 'wildcard', patterns: values }
    : { kind: 'equal', values };
}

function nameCondition(value: string, fuzzy: boolean): Condition | undefined {
  if (fuzzy) {
    const parts = nameParts(value);
    return parts.length === 0 ? undefined : { kind: 'words', parts };
  }
  const groups = nameGroups(value).map((group) => (group.length === 0 ? undefined : group));
  return groups.every((group) => group === undefined) ? undefined : { kind: 'name', groups };
}
