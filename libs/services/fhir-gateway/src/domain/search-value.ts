/** How the values of a search parameter compare (R4 search, 3.1.1.4). */
export type SearchKind = 'token' | 'reference' | 'date' | 'string' | 'uri';

/** One indexed value of a resource. */
export interface IndexEntry {
  /** Parameter code; references that name their target by identifier stand under "<code>:identifier". */
  readonly param: string;
  /** Token: system; absent when it has none. */
  readonly system?: string;
  /** String: the text as written. */
  readonly text?: string;
  /** Token: code or value. Reference: "Type/id" or an absolute URL. String: normalised text. */
  readonly value?: string;
  /** Date: milliseconds since 1970, from (inclusive) and to (exclusive); absent means open. */
  readonly from?: number;
  readonly to?: number;
}

/** Half-open span of time a FHIR date, dateTime or instant stands for, in milliseconds. */
export interface DateSpan {
  readonly from: number;
  readonly to: number;
}

const datePattern =
  /^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:\d{2})?)?)?)?$/;

/** Span of "2024", "2024-03", "2024-03-01", "2024-03-01T10:00Z"…; without a zone it is read as UTC. Undefined when malformed. */
export function dateSpan(text: string): DateSpan | undefined {
  const match = datePattern.exec(text);
  if (!match) return undefined;
  const [, year, month, day, hour, minute, second, fraction, zone] = match;
  const base = `${year}-${month ?? '01'}-${day ?? '01'}T${hour ?? '00'}:${minute ?? '00'}:${second === '60' ? '59' : (second ?? '00')}`;
  const from = Date.parse(`${base}${fraction ? `.${fraction.slice(0, 3).padEnd(3, '0')}` : ''}${zone ?? 'Z'}`);
  if (Number.isNaN(from)) return undefined;
  if (fraction) return { from, to: from + 1 };
  if (second) return { from, to: from + 1_000 };
  if (minute) return { from, to: from + 60_000 };
  if (day) return { from, to: from + 86_400_000 };
  const end = new Date(from);
  if (month) end.setUTCMonth(end.getUTCMonth() + 1);
  else end.setUTCFullYear(end.getUTCFullYear() + 1);
  return { from, to: end.getTime() };
}

/** Text as string searches compare it: case, accents and runs of spaces do not count (R4 search, string). */
export function normaliseText(text: string): string {
  return text.toLowerCase().normalize('NFD').replace(/\p{M}/gu, '').replace(/\s+/g, ' ').trim();
}
