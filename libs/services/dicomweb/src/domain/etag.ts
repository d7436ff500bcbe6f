import { createHash } from 'node:crypto';

/**
 * A strong entity tag (RFC 9110 8.8.3): two answers have the same one when their bytes are the same. What the bytes
 * depend on is given, not the bytes: what is stored, the form chosen, the content coding, the base of URIs inside, and
 * the version of what wrote them.
 * @param facts in an order that is always the same; a fact may hold any character
 */
export function strongETag(facts: Iterable<string>): string {
  const hash = createHash('sha256');
  // The length first, so that "a" and "b" are not "ab" and nothing.
  for (const fact of facts) hash.update(`${String(Buffer.byteLength(fact))}:${fact}`);
  return `"${hash.digest('base64url').slice(0, 32)}"`;
}

/**
 * A weak one: answers of the same facts say the same, but need not be the same bytes, since blanks and the order of
 * instances may differ by where they were read. If-None-Match is compared weakly; ranges are not given by it.
 */
export const weakETag = (facts: Iterable<string>): string => `W/${strongETag(facts)}`;

interface Tag {
  readonly weak: boolean;
  readonly opaque: string;
}

/** entity-tag of RFC 9110 8.8.3, and the commas of a list (5.6.1); any character but quotes and controls. */
const element = /[ \t]*(?:(W\/)?"([!\x23-\x7e\x80-\uffff]*)"[ \t]*)?(?:,|$)/y;

/** @returns undefined for "*", which any representation matches; none for what is no list of entity tags */
function readTags(header: string): readonly Tag[] | undefined {
  if (header.trim() === '*') return undefined;
  const tags: Tag[] = [];
  for (element.lastIndex = 0; element.lastIndex < header.length;) {
    const match = element.exec(header);
    if (!match) return [];
    if (match[2] !== undefined) tags.push({ weak: match[1] !== undefined, opaque: match[2] });
  }
  return tags;
}

const tagOf = (etag: string): Tag | undefined => readTags(etag)?.[0];

/** RFC 9110 8.8.3.2. */
const isWeaklySame = (a: Tag, b: Tag): boolean => a.opaque === b.opaque;
const isStronglySame = (a: Tag, b: Tag): boolean => !a.weak && !b.weak && isWeaklySame(a, b);

/** The header fields of a request that preconditions stand in, as Node names them. */
export interface Preconditions {
  readonly 'if-match'?: string | undefined;
  readonly 'if-none-match'?: string | undefined;
}

/**
 * What the preconditions of a GET or HEAD say (RFC 9110 13.2.2): `send` the representation, say that it is the client's
 * already (304), or that it is not the one the client means (412). Nothing here has a Last-Modified: dates are not asked.
 * @param etag of the representation that would be sent, its content coding included
 */
export function evaluate(headers: Preconditions, etag: string): 'send' | 'not-modified' | 'failed' {
  const current = tagOf(etag);
  const isAmong = (header: string, isSame: typeof isWeaklySame): boolean => {
    const tags = readTags(header);
    return tags === undefined || (current !== undefined && tags.some((tag) => isSame(tag, current)));
  };
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = headers;
  if (ifMatch !== undefined && !isAmong(ifMatch, isStronglySame)) return 'failed';
  return ifNoneMatch !== undefined && isAmong(ifNoneMatch, isWeaklySame) ? 'not-modified' : 'send';
}

/**
 * Whether a Range still means the representation that the client has a part of (RFC 9110 13.1.5): no condition, or the
 * same strong entity tag. A date never is: it would be compared with a Last-Modified, which nothing here has.
 */
export function rangeApplies(ifRange: string | undefined, etag: string): boolean {
  if (ifRange === undefined) return true;
  const tags = readTags(ifRange);
  const current = tagOf(etag);
  const [asked] = tags ?? [];
  return tags?.length === 1 && asked !== undefined && current !== undefined && isStronglySame(asked, current);
}
