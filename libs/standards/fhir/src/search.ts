import type { Identifier } from './resources.js';

/**
 * Values of one parameter: a string, or several that are or-ed ("," in the query). Already escaped by `escapeValue` where
 * needed. As a list of pairs where a parameter stands twice, which is an "and".
 */
export type SearchParams =
  | Readonly<Record<string, string | readonly string[]>>
  | readonly (readonly [name: string, value: string | readonly string[]])[];

/** Escapes what has meaning inside a search value (R4 search, 3.1.1.4.0.1): \ , | $ */
export const escapeValue = (value: string): string => value.replace(/[\\,|$]/g, '\\$&');

/** `system|value` of an identifier; `|value` asks for one without a system. */
export function identifierToken({ system, value }: Identifier): string {
  return `${escapeValue(system ?? '')}|${escapeValue(value ?? '')}`;
}

/** Parameters as a query string without "?", in the order given, percent-encoded. */
export function searchQuery(params: SearchParams): string {
  const pairs = isPairs(params) ? params : Object.entries(params);
  return pairs
    .map(
      ([name, value]) =>
        `${encodeURIComponent(name)}=${encodeURIComponent(typeof value === 'string' ? value : value.join(','))}`,
    )
    .join('&');
}

const isPairs = (params: SearchParams): params is readonly (readonly [string, string | readonly string[]])[] =>
  Array.isArray(params);
