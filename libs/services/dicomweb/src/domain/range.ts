/** Bytes of a representation, counted from 0, both included (RFC 9110 14.1.2). */
export interface BytePart {
  readonly first: number;
  readonly last: number;
}

/** Which bytes of a representation are answered (RFC 9110 14.2). */
export type RangeChoice =
  | { readonly kind: 'whole' }
  /** 206 with Content-Range. */
  | ({ readonly kind: 'part' } & BytePart)
  /** 416 with Content-Range of `unsatisfiedRange`. */
  | { readonly kind: 'unsatisfiable' };

const whole: RangeChoice = { kind: 'whole' };
const rangeSet = /^bytes=(.*)$/is;
const rangeSpec = /^(?:(\d+)-(\d*)|-(\d+))$/;
/** Longer than any client's honest header; a range set is not searched for more. */
const headerCharsMax = 1024;

/**
 * The bytes that a Range header asks for (RFC 9110 14.1.2, 14.2). What is no valid set of byte ranges, and a set of more
 * than one, is ignored, as a server may: the answer is whole.
 * @param method only GET has ranges
 * @param header of Range
 * @param byteCount of the whole representation, in its content coding
 */
export function chooseRange(method: string, header: string | undefined, byteCount: number): RangeChoice {
  if (method !== 'GET' || header === undefined || header.length > headerCharsMax) return whole;
  const set = rangeSet.exec(header.trim())?.[1];
  const specs = (set ?? '').split(',').flatMap((spec) => (spec.trim() === '' ? [] : [spec.trim()]));
  const [spec] = specs;
  if (spec === undefined || specs.length > 1) return whole;
  const [, first, last, suffix] = rangeSpec.exec(spec) ?? [];
  if (suffix !== undefined) return lastBytes(Number(suffix), byteCount);
  if (first === undefined) return whole;
  const [from, to] = [Number(first), last === undefined || last === '' ? Infinity : Number(last)];
  if (to < from) return whole;
  if (from >= byteCount) return { kind: 'unsatisfiable' };
  return { kind: 'part', first: from, last: Math.min(to, byteCount - 1) };
}

/** The last so many bytes, or all there are (14.1.2). An empty representation has no part that could be named: it is sent whole. */
function lastBytes(count: number, byteCount: number): RangeChoice {
  if (count === 0) return { kind: 'unsatisfiable' };
  if (byteCount === 0) return whole;
  return { kind: 'part', first: Math.max(0, byteCount - count), last: byteCount - 1 };
}

/** Content-Range of 206 (RFC 9110 14.4). */
export const contentRange = (first: number, last: number, byteCount: number): string =>
  `bytes ${String(first)}-${String(last)}/${String(byteCount)}`;

/** Content-Range of 416 (RFC 9110 14.4, 15.5.17). */
export const unsatisfiedRange = (byteCount: number): string => `bytes */${String(byteCount)}`;

/**
 * Where a part of a value lies that is itself ranges of a blob, one after the other: a frame of several fragments.
 * @param ranges where the whole value lies, in its order; offsets and lengths in bytes
 * @param part inside the value
 * @returns the ranges that the part lies in, none of them empty
 */
export function rangesOfPart(
  ranges: readonly { readonly offset: number; readonly length: number }[],
  { first, last }: BytePart,
): readonly { readonly offset: number; readonly length: number }[] {
  const found: { offset: number; length: number }[] = [];
  let begin = 0;
  for (const { offset, length } of ranges) {
    const from = Math.max(first, begin);
    const end = Math.min(last + 1, begin + length);
    if (from < end) found.push({ offset: offset + from - begin, length: end - from });
    begin += length;
  }
  return found;
}
