import { MalformedMatchError } from '../errors.js';

/** A range of values in a form that compares; a single value is one from its beginning to its end. */
export interface Range<T> {
  readonly form: 'single' | 'range' | 'from' | 'to';
  readonly from?: T;
  readonly to?: T;
}

const timeDigits = 12;

/** What PS3.5 table 6.2-1 lets DA, TM and DT have after the year; of days it says no more than that. */
const dayBounds = [
  [1, 12],
  [1, 31],
] as const;
const timeBounds = [
  [0, 23],
  [0, 59],
  [0, 60],
] as const;

/** Pairs of digits, as many as are given, each within its bounds. */
const within = (digits: string, bounds: readonly (readonly [number, number])[]): boolean =>
  bounds.every(([least, most], i) => {
    const field = digits.slice(2 * i, 2 * i + 2);
    return field === '' || (Number(field) >= least && Number(field) <= most);
  });

/** "a-b", "a-", "-b" or one value (PS3.4 C.2.2.2.5). */
function readRange<T>(parts: readonly string[], from: (text: string) => T, to: (text: string) => T): Range<T> {
  const [first = '', second = ''] = parts.map((part) => part.trim());
  if (parts.length === 1) return { form: 'single', from: from(first), to: to(first) };
  if (second === '') return { form: 'from', from: from(first) };
  return first === '' ? { form: 'to', to: to(second) } : { form: 'range', from: from(first), to: to(second) };
}

/** @throws {MalformedMatchError} when it is no date or range of dates */
export function readDateRange(tag: string, value: string): Range<string> {
  const digits = (text: string): string => {
    const date = dateKey(text);
    if (date === undefined || !within(date.slice(4), dayBounds))
      throw new MalformedMatchError(tag, 'not a date (DA) or a range of dates');
    return date;
  };
  return readRange(splitOnce(tag, value, 'dates'), digits, digits);
}

/**
 * Times of less precision stand for the whole interval: "10" is 10:00:00 to 10:59:59.999999.
 * @throws {MalformedMatchError} when it is no time or range of times
 */
export function readTimeRange(tag: string, value: string): Range<string> {
  const digits = (text: string): string => {
    const time = normaliseTime(text);
    if (time === undefined || !within(time, timeBounds))
      throw new MalformedMatchError(tag, 'not a time (TM) or a range of times');
    return time;
  };
  return readRange(
    splitOnce(tag, value, 'times'),
    (text) => digits(text).padEnd(timeDigits, '0'),
    (text) => digits(text).padEnd(timeDigits, '9'),
  );
}

function splitOnce(tag: string, value: string, what: string): string[] {
  const parts = value.split('-');
  if (parts.length > 2) throw new MalformedMatchError(tag, `not a range of ${what}`);
  return parts;
}

/** A DA as eight digits, also in the way of ACR-NEMA with dots; undefined when it is none. */
export function dateKey(value: string): string | undefined {
  const date = value.trim().replaceAll('.', '');
  return /^\d{8}$/.test(date) ? date : undefined;
}

/** Digits of a TM value, "HHMMSSFFFFFF" as far as given; undefined when it is no TM. */
export function normaliseTime(value: string): string | undefined {
  const time = value.trim().replaceAll(':', '');
  const match = /^(\d{2}(?:\d{2}(?:\d{2}(?:\.(\d{1,6}))?)?)?)$/.exec(time);
  return match ? time.replace('.', '') : undefined;
}

/** A stored TM as twelve digits that compare as text; undefined when it is no TM. */
export const timeKey = (value: string): string | undefined => normaliseTime(value)?.padEnd(timeDigits, '0');

/** A DT as the interval it stands for, in microseconds since 1970 on the clock it was read from. */
export interface MomentInterval {
  readonly from: number;
  readonly to: number;
  /** How far that clock is ahead of UTC, in microseconds; undefined when it does not say. */
  readonly offset: number | undefined;
}

const dateTime = /^(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?(?:\.(\d{1,6}))?([+-]\d{4})?$/;

/** Reads a DT (PS3.5 6.2); undefined when it is none. */
export function readDateTime(value: string): MomentInterval | undefined {
  const match = dateTime.exec(value.trim());
  if (!match) return undefined;
  const [, year = '', month, day, hour, minute, second, fraction, offset] = match;
  if (fraction !== undefined && second === undefined) return undefined;
  const fields = [year, month, day, hour, minute, second].map((field) =>
    field === undefined ? undefined : Number(field),
  );
  const start = utc(fields);
  // The next of the last field that is given begins where this one ends.
  const last = fields.findLastIndex((field) => field !== undefined);
  const end = utc(fields.map((field, i) => (i === last && field !== undefined ? field + 1 : field)));
  if (!Number.isFinite(start) || !Number.isFinite(end)) return undefined;
  const from = start + Number((fraction ?? '').padEnd(6, '0'));
  const to = fraction === undefined ? end - 1 : start + Number(fraction.padEnd(6, '9'));
  return { from, to, offset: offset === undefined ? undefined : readOffset(offset) };
}

function utc([year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0]: readonly (
  number | undefined
)[]): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.setUTCHours(hour, minute, second) * 1_000;
}

/** An offset from UTC as "+0130", in microseconds; undefined when it is none. */
export function readOffset(offset: string): number | undefined {
  const match = /^([+-])(\d{2})(\d{2})$/.exec(offset.trim());
  if (!match) return undefined;
  const [, sign, hours, minutes] = match;
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000_000;
}

/**
 * A hyphen parts a range, or begins an offset: no time zone is further west than -1200, and no year before 1200 is
 * asked for.
 * @returns in UTC when each of its moments says its offset
 * @throws {MalformedMatchError} when it is no date and time or range of them
 */
export function readDateTimeRange(tag: string, value: string): Range<number> & { readonly isUtc: boolean } {
  const parts = value.trim().split(/-(?!(?:0\d|1[0-2])\d{2}(?:-|$))/);
  if (parts.length > 2) throw new MalformedMatchError(tag, 'not a range of dates and times');
  const isUtc = parts.every((part) => part.trim() === '' || readDateTime(part)?.offset !== undefined);
  const moment = (text: string): MomentInterval => {
    const read = readDateTime(text);
    const fields = /^\d*/.exec(text.trim().slice(4))?.[0] ?? '';
    if (!read || !within(fields, [...dayBounds, ...timeBounds]))
      throw new MalformedMatchError(tag, 'not a date and time (DT) or a range of them');
    const shift = isUtc ? (read.offset ?? 0) : 0;
    return { ...read, from: read.from - shift, to: read.to - shift };
  };
  const range = readRange(
    parts,
    (text) => moment(text).from,
    (text) => moment(text).to,
  );
  return { ...range, isUtc };
}
