import { NotAcceptableError } from './errors/door.js';

/** Content codings that answers are sent in (RFC 9110 8.4.1). */
export type ContentCoding = 'gzip' | 'br' | 'identity';

/**
 * The content coding of an answer (RFC 9110 12.5.3): that of the highest weight, and of those that weigh the same the one
 * that the server has first. `identity` is taken where nothing is said of it, after all that is named. Without the header
 * it is taken too: clients that do not say what they can undo mostly undo nothing.
 * @param header of Accept-Encoding
 * @param offered what the answer can be had in beside `identity`, the server's best first
 * @throws {NotAcceptableError} when the client refuses each of them, and `identity`, by name or by "*"
 */
export function chooseCoding(header: string | undefined, offered: readonly ContentCoding[]): ContentCoding {
  const weights = weightsOf(header ?? '');
  const codings: readonly ContentCoding[] = offered.includes('identity') ? offered : [...offered, 'identity'];
  const [best] = codings
    .map((coding) => ({ coding, weight: weightOf(coding, weights) }))
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight);
  if (!best) throw new NotAcceptableError(`answers are given with the content coding ${codings.join(', ')}`);
  return best.coding;
}

/** Whether what cannot be refused (a page, a script) may be sent in a coding: where it is named, or all are by "*". */
export const takesCoding = (header: string | undefined, coding: ContentCoding): boolean =>
  weightOf(coding, weightsOf(header ?? '')) > 0;

/** Of metadata: of equal weight gzip is taken, which is made of what is deflated already. */
export const contentCodingOf = (header: string | undefined): ContentCoding => chooseCoding(header, ['gzip', 'br']);

/** Not being coded is accepted where nothing is said of it, but is less wanted than what is named. */
const unnamedIdentity = 0.0005;

function weightOf(coding: ContentCoding, weights: ReadonlyMap<string, number>): number {
  return weights.get(coding) ?? weights.get('*') ?? (coding === 'identity' ? unnamedIdentity : 0);
}

/** A weight has three digits at most (12.4.2); what has none that can be read counts as named without one. */
function weightsOf(header: string): ReadonlyMap<string, number> {
  const weights = new Map<string, number>();
  for (const element of header.toLowerCase().split(',')) {
    const [name = '', ...parameters] = element.split(';').map((part) => part.trim());
    if (name === '') continue;
    const weight = parameters.map((parameter) => /^q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.exec(parameter)?.[1]);
    // RFC 9110 8.4.1.3.
    weights.set(name === 'x-gzip' ? 'gzip' : name, Number(weight.find((one) => one !== undefined) ?? 1));
  }
  return weights;
}
