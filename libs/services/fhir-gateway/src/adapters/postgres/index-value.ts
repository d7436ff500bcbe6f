import { createHash } from 'node:crypto';

/** A B-tree row holds at most 2,704 bytes; longer values are told apart by their digest. */
const valueCharsMax = 200;

/** The form in which an exact value stands in the index. */
export function exactKey(value: string): string {
  if (value.length <= valueCharsMax) return value;
  return `${value.slice(0, 100)}#${createHash('sha256').update(value).digest('base64url')}`;
}

/** The form in which text that is searched by its beginning stands in the index. */
export const prefixKey = (value: string): string => [...value.slice(0, valueCharsMax)].join('');
