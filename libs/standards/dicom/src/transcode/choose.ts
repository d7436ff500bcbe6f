import { CallosumError } from '@callosum/kernel';
import { DicomTranscodeError } from '../errors.js';
import { encodedSyntaxes } from '../pixels/encode.js';
import { HTJ2KLossless, JPEG2000Lossless, JPEGLossless, JPEGLSLossless, RLELossless } from '../transfer-syntax.js';
import type { ObjectFacts } from './facts.js';
import type { TranscodeLimits } from './limits.js';
import { isSameCodeStream, nativeSyntaxes, planTranscoding } from './plan.js';

/** The smallest come first, of those JPEG 2000 last, which takes four times as long; RLE is the largest. */
const bySize: readonly string[] = [JPEGLSLossless, HTJ2KLossless, JPEGLossless, JPEG2000Lossless, RLELossless];

/**
 * Which of the syntaxes a peer accepts an object can be given in without loss, the best first: as stored; as stored under
 * the name of a wider syntax; compressed losslessly where it is stored so; uncompressed, Explicit VR Little Endian before
 * Implicit; compressed though stored uncompressed or with loss, which nobody gains by, as the last.
 * @returns none when it cannot be given at all
 */
export function transferSyntaxesFor(
  facts: ObjectFacts,
  accepted: readonly string[],
  limits: TranscodeLimits,
): readonly string[] {
  const { transferSyntax: from, pixels } = facts;
  const isLosslessCompressed = from.encapsulated && !from.lossy && pixels !== undefined;
  const order = [
    from.uid,
    ...accepted.filter((uid) => isSameCodeStream(from.uid, uid)),
    ...(isLosslessCompressed ? bySize : []),
    ...nativeSyntaxes,
    ...bySize,
  ];
  return [...new Set(order)].filter((uid) => accepted.includes(uid) && isPossible(facts, uid, limits));
}

/** Whether an object can be given in a syntax without loss, as far as its attributes tell. */
export const isPossible = (facts: ObjectFacts, uid: string, limits: TranscodeLimits): boolean =>
  whyImpossible(facts, uid, limits) === undefined;

/** True when an encoder here writes the syntax and cannot hold what the object has, which is not broken for that. */
export const isUnheld = (facts: ObjectFacts, uid: string, limits: TranscodeLimits): boolean =>
  encodedSyntaxes.includes(uid) && whyImpossible(facts, uid, limits) instanceof DicomTranscodeError;

function whyImpossible(facts: ObjectFacts, uid: string, limits: TranscodeLimits): CallosumError | undefined {
  try {
    planTranscoding(facts, uid, limits);
    return undefined;
  } catch (error) {
    if (error instanceof CallosumError) return error;
    throw error;
  }
}
