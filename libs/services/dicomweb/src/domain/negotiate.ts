import { BadRequestError } from './errors/door.js';
import { parseMediaRanges } from './media-type.js';

/** One media range that the client has sent (RFC 9110 12.5.1; PS3.18 8.7.5). */
export interface Accepted {
  /** "application/dicom", "image/*" or "*\/*". */
  readonly type: string;
  /** Of the root part, when `type` is multipart/related; undefined where it is not said. */
  readonly partType: string | undefined;
  /** A transfer syntax UID, "*" for any, or undefined for the default one of the media type (PS3.18 8.7.3). */
  readonly transferSyntax: string | undefined;
  /** Weight, 0 to 1; 0 refuses. */
  readonly quality: number;
  /** True when it is of the `accept` query parameter, false when it is of the header. */
  readonly fromQuery: boolean;
}

/** A form that a resource can be given in. */
export interface Representation {
  /** Media type of the payload, or of each part when it is multipart/related. */
  readonly type: string;
  readonly multipart: boolean;
  /** Where the media type has the parameter (PS3.18 8.7.3.5.2). */
  readonly transferSyntaxUid?: string;
  /** True when a media range without that parameter means this syntax. */
  readonly isDefaultSyntax?: boolean;
}

/**
 * What the client takes, in the order it was said, refusals (weight 0) among it. Nothing said, or no more than commas,
 * accepts anything (RFC 9110 12.5.1). Of the parameters only those that PS3.18 8.7 knows narrow a range: what else a
 * client adds ("charset=utf-8", which all text here is in) is not asked.
 * @param header of Accept
 * @param query value of the `accept` query parameter (PS3.18 8.7.6)
 * @throws {BadRequestError} when nothing of one of them can be read as a list of media ranges, or it has too many
 */
export function readAccept(header: string | undefined, query: string | undefined): Accepted[] {
  const accepted = [...rangesOf(query, true), ...rangesOf(header, false)];
  return accepted.length > 0 ? accepted : rangesOf('*/*', false);
}

/**
 * Different ranges of one header. Each is weighed against each, for each form that it means. A client that names every
 * media type of PS3.18 8.7.3 once, and half of them with their syntaxes, stays below.
 */
const rangesMax = 64;

/** Of equal ranges the best counts, as among those that are as close. @throws {BadRequestError} */
function rangesOf(text: string | undefined, fromQuery: boolean): Accepted[] {
  const found = new Map<string, Accepted>();
  for (const { type, parameters, quality } of parseMediaRanges(text ?? '')) {
    const partType = parameters.get('type')?.toLowerCase();
    const transferSyntax = parameters.get('transfer-syntax');
    const name = JSON.stringify([type, partType, transferSyntax]);
    const same = found.get(name);
    if (same && same.quality >= quality) continue;
    // What was refused had no place in the order.
    if (same?.quality === 0) found.delete(name);
    found.set(name, { type, partType, transferSyntax, quality, fromQuery });
  }
  if (found.size > rangesMax) throw new BadRequestError(`more than ${String(rangesMax)} media ranges are accepted`);
  return [...found.values()];
}

/** True for the type itself, its family ("image/*") and "*\/*" (RFC 9110 12.5.1). */
export function isInRange(range: string, type: string): boolean {
  return range === '*/*' || range === type || (range.endsWith('/*') && type.startsWith(range.slice(0, -1)));
}

const isWild = (range: string): boolean => range.endsWith('/*');

/** From this on, a range names the type of the parts. */
const partNamed = 4;

/** How closely a range names the form of a representation; undefined when it is not in the range. */
function closenessOfForm(range: Accepted, { type, multipart }: Representation): number | undefined {
  if (!isInRange(range.type, multipart ? 'multipart/related' : type)) return undefined;
  if (range.type === '*/*') return 0;
  if (isWild(range.type)) return 1;
  if (!multipart) return partNamed + 1;
  if (range.partType === undefined || range.partType === '*/*') return 2;
  if (!isInRange(range.partType, type)) return undefined;
  return isWild(range.partType) ? partNamed : partNamed + 1;
}

/** The same of its transfer syntax. A range that names none means the default one, and covers the others. */
function closenessOfSyntax(range: Accepted, representation: Representation): number | undefined {
  const { transferSyntaxUid, isDefaultSyntax } = representation;
  if (transferSyntaxUid === undefined) return 0;
  if (range.transferSyntax === undefined) return isDefaultSyntax === true ? 2 : 0;
  if (range.transferSyntax === '*') return 1;
  return range.transferSyntax === transferSyntaxUid ? 2 : undefined;
}

/** The weight of the closest range, and how close its form is; among equally close ones the highest weight. */
function closest(
  accepted: readonly Accepted[],
  representation: Representation,
): { readonly form: number; readonly quality: number } | undefined {
  let best: { form: number; syntax: number; quality: number } | undefined;
  for (const range of accepted) {
    const form = closenessOfForm(range, representation);
    const syntax = closenessOfSyntax(range, representation);
    if (form === undefined || syntax === undefined) continue;
    const { quality } = range;
    const order = best ? form - best.form || syntax - best.syntax || quality - best.quality : 1;
    if (order > 0) best = { form, syntax, quality };
  }
  return best;
}

/**
 * The weight a client gives a representation: that of the most specific of its media ranges (RFC 9110 12.5.1). The type
 * of each part of a multipart is accepted on its own (PS3.18 8.7.8.1): one that is refused by name is not sent inside a
 * multipart of which only the packaging was accepted.
 * @param accepted ranges of the query parameter, or those of the header: the two are weighed apart (PS3.18 8.7.8.1)
 * @returns 0 for what is refused, or in no range
 */
export function weightOf(accepted: readonly Accepted[], representation: Representation): number {
  const whole = closest(accepted, representation);
  if (!whole) return 0;
  if (!representation.multipart || whole.form >= partNamed) return whole.quality;
  const named = accepted.filter(({ type }) => type !== '*/*');
  return closest(named, { ...representation, multipart: false })?.quality === 0 ? 0 : whole.quality;
}

/**
 * The representations that a client takes, best first (PS3.18 8.7.8.1): those of the query parameter, then those of the
 * header, each by weight, and where weights are equal as the client named them.
 * @param meant what a range stands for: lists, of each of which the first one counts that is not refused elsewhere
 */
export function ranked<R extends Representation>(
  accepted: readonly Accepted[],
  meant: (range: Accepted) => readonly (readonly R[])[],
): readonly R[] {
  const found = [true, false].flatMap((fromQuery) => {
    const ranges = accepted.filter((range) => range.fromQuery === fromQuery);
    return ranges
      .filter(({ quality }) => quality > 0)
      .flatMap((range) =>
        meant(range).flatMap((list) => {
          const representation = list.find((one) => weightOf(ranges, one) > 0);
          return representation ? [{ representation, weight: weightOf(ranges, representation) }] : [];
        }),
      )
      .sort((a, b) => b.weight - a.weight)
      .map(({ representation }) => representation);
  });
  return found.filter((one, i) => found.findIndex((other) => isSame(one, other)) === i);
}

const isSame = (a: Representation, b: Representation): boolean =>
  a.type === b.type && a.multipart === b.multipart && a.transferSyntaxUid === b.transferSyntaxUid;

/**
 * The representations of a resource that a client takes, best first.
 * @param offered best first for the server, which decides what a wildcard stands for
 */
export function rankedOffers<R extends Representation>(
  accepted: readonly Accepted[],
  offered: readonly R[],
): readonly R[] {
  return ranked(accepted, (range) => [offered.filter((one) => isIn(range, one))]);
}

/** Whether a range has a representation in it, its transfer syntax aside. */
export const isIn = (range: Accepted, representation: Representation): boolean =>
  closenessOfForm(range, representation) !== undefined;
