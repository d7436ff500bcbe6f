import type { FastifyRequest } from 'fastify';

import type { KeptInstance } from '../../application/ports/archive.js';
import type { PictureForm, RenderPictures } from '../../application/render-pictures.js';
import type { RenderableFile, RenderableImage } from '../../application/renderable.js';
import type { Retrieve } from '../../application/retrieves.js';
import { streamOf } from '../../application/stored-file.js';
import { NotFoundError, TooLargeError } from '../../domain/errors/door.js';
import { NotRenderableError } from '../../domain/errors/rendering.js';
import { strongETag, weakETag } from '../../domain/etag.js';
import type { PictureChoice } from '../../domain/picture-choices.js';
import type { RenderQuery } from '../../domain/render-query.js';
import { type Answer, isDecided } from './answer.js';
import type { BodyPart } from './multipart-body.js';

export const vary = 'accept';

/** Another one when the same frames give other pictures than before: who has the old ones must not keep them. */
const renderer = 'pictures 2';

/**
 * Of what pictures are made of: known before any of it is read. Weak, since encoders of another version write other bytes.
 * @param facts what was asked for, as text
 */
export const picturesETag = (instances: readonly KeptInstance[], facts: readonly unknown[]): string =>
  weakETag([renderer, JSON.stringify(facts), ...instances.map(({ blobKey }) => blobKey)]);

/**
 * Whether the client has the picture already, told before anything is opened. Another precondition waits until it is known
 * what there is: a file in the object has another entity tag than pictures.
 */
export const hasPicture = (request: FastifyRequest, etag: string): boolean =>
  request.headers['if-match'] === undefined && isDecided(request, etag);

/** How a picture is made, and what it says it is. */
export const formOf = ({ format }: Pick<PictureChoice, 'format'>, query: RenderQuery): PictureForm => ({
  ...query,
  format,
});

/**
 * One picture. It is made before the answer begins, so that what cannot be rendered has a status and its length is known;
 * for HEAD none is.
 */
export async function pictureAnswer(
  request: FastifyRequest,
  make: () => Promise<Uint8Array>,
  { format }: Pick<PictureForm, 'format'>,
): Promise<Answer> {
  const contentType = `image/${format}`;
  if (request.method === 'HEAD') return { contentType, open: () => Promise.resolve(streamOf(new Uint8Array(0))) };
  const bytes = await make();
  return { contentType, byteCount: bytes.length, open: () => Promise.resolve(streamOf(bytes)) };
}

/** A file as it is in its object: documents and videos are read by ranges. */
export const fileAnswer = ({ instance, mediaType, byteCount, open }: RenderableFile, { signal }: Retrieve): Answer => ({
  contentType: mediaType,
  byteCount,
  ranged: true,
  etag: strongETag(['file 1', instance.blobKey]),
  open: (part) => open(signal, part),
});

/** Pictures of an image's frames, one part each, made when the one before has been sent. */
export async function* frameParts(
  pictures: RenderPictures,
  image: RenderableImage,
  { form, url, retrieve }: { readonly form: PictureForm; readonly url: string; readonly retrieve: Retrieve },
): AsyncGenerator<BodyPart> {
  for (const number of image.frames) {
    const bytes = await pictures.picture(image, number, form, retrieve);
    yield partOf(bytes, form, `${url}/frames/${String(number)}/rendered`);
  }
}

export const partOf = (bytes: Uint8Array, { format }: PictureForm, location: string): BodyPart => ({
  contentType: `image/${format}`,
  location,
  byteCount: bytes.length,
  open: () => Promise.resolve(streamOf(bytes)),
});

/** True where an object has no picture, and others beside it may have one. */
export const isWithoutPicture = (error: unknown): boolean =>
  error instanceof NotRenderableError || error instanceof NotFoundError || error instanceof TooLargeError;
