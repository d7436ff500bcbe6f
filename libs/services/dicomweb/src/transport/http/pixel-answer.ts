import type { KeptInstance } from '../../application/ports/archive.js';
import type { ChosenBodies, PixelBody } from '../../application/read-frames.js';
import { strongETag, weakETag } from '../../domain/etag.js';
import { contentTypeOf, type FrameChoice, syntaxAsStored } from '../../domain/frame-choices.js';
import type { Answer } from './answer.js';
import { type BodyPart, multipartBody } from './multipart-body.js';

/** Another one when the same pixels give other bytes than before: who has the old ones must not keep them. */
const serialiser = 'pixels 2';

/**
 * Of what the answer is made of: which of the forms it gets is decided by the object. Weak but for what leaves as it is
 * stored without multipart: boundaries are drawn anew each time, and code streams may differ with a codec's version.
 * @param choices in which it is accepted, best first
 * @param facts which part of the instance it is, and under which address
 */
export function pixelsETag(
  { blobKey, transferSyntaxUid: stored }: KeptInstance,
  choices: readonly FrameChoice[],
  facts: readonly string[],
): string {
  const forms = choices.map((choice) => `${contentTypeOf(choice)} ${String(choice.multipart)}`);
  const all = [serialiser, blobKey, ...facts, ...forms];
  const [best] = choices;
  const isExact = best?.multipart === false && best.transferSyntaxUid === syntaxAsStored(stored);
  return isExact ? strongETag(all) : weakETag(all);
}

/**
 * Frames or bulk data in the form that was chosen: one as it is, or each as a part.
 * @param locationOf URL of a part, by its place from 0
 */
export async function bodyOf(
  { choice, first, rest, count, asStored }: ChosenBodies,
  locationOf: (at: number) => string,
): Promise<Pick<Answer, 'contentType' | 'byteCount' | 'counted' | 'ranged' | 'open'>> {
  const contentType = contentTypeOf(choice);
  const { byteCount, ranged } = first;
  if (!choice.multipart) return { contentType, byteCount, ranged, open: (part) => first.open(part) };
  const partOf = (body: PixelBody, at: number): BodyPart => ({
    contentType,
    location: locationOf(at),
    byteCount: body.byteCount,
    open: () => body.open(),
  });
  if (!asStored && count > 1) return multipartBody(choice.mediaType, partsAsMade(first, rest, partOf));
  // Known before any is opened, and so is the length of all.
  const parts = [partOf(first, 0)];
  for await (const body of rest) parts.push(partOf(body, parts.length));
  // What is no range of the blob may be held from when it is opened: one at a time.
  return multipartBody(choice.mediaType, parts, { ahead: ranged });
}

/** What is made when it is asked for, one after the other. */
async function* partsAsMade(
  first: PixelBody,
  rest: AsyncIterable<PixelBody>,
  partOf: (body: PixelBody, at: number) => BodyPart,
): AsyncGenerator<BodyPart> {
  let at = 0;
  yield partOf(first, at);
  for await (const body of rest) yield partOf(body, ++at);
}
