import { SETTINGS } from '@callosum/runtime';
import { Controller, Get, Inject, Param, Req, Res, UseFilters } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import type { KeptInstance, Selection } from '../../application/ports/archive.js';
import { type PictureForm, RenderPictures } from '../../application/render-pictures.js';
import type { Retrieve } from '../../application/retrieves.js';
import { BadRequestError, NotFoundError, TooLargeError } from '../../domain/errors/door.js';
import { NotRenderableError } from '../../domain/errors/rendering.js';
import { readFrameList } from '../../domain/frames.js';
import { choosePicture } from '../../domain/picture-choices.js';
import { parametersOf } from '../../domain/query-parameters.js';
import { readThumbnailQuery } from '../../domain/render-query.js';
import { middleFrame, representatives } from '../../domain/representatives.js';
import type { DicomwebSettings } from '../../settings.js';
import { acceptedBy } from './accepted-by.js';
import { Answers, decidedAnswer, isDecided } from './answer.js';
import { DicomwebErrorFilter } from './dicomweb-error.filter.js';
import { formOf, isWithoutPicture, pictureAnswer, picturesETag, vary } from './picture-answer.js';
import { instanceOf, type ResourcePath, selectionOf } from './resource-path.js';

/**
 * Thumbnails (PS3.18 10.4.1.1.4): one small picture that stands for a study, a series, an instance or a frame. None is made
 * of an object that says a name may stand in its pixels (10.4.3.3.4).
 */
@Controller('dicom-web/studies/:study')
@UseFilters(DicomwebErrorFilter)
export class ThumbnailController {
  constructor(
    @Inject(RenderPictures) private readonly pictures: RenderPictures,
    @Inject(Answers) private readonly answers: Answers,
    @Inject(SETTINGS) private readonly settings: DicomwebSettings,
  ) {}

  @Get('thumbnail')
  study(@Req() request: FastifyRequest, @Res() reply: FastifyReply, @Param() path: ResourcePath): Promise<void> {
    return this.#thumbnail(request, reply, () => selectionOf(path));
  }

  @Get('series/:series/thumbnail')
  series(@Req() request: FastifyRequest, @Res() reply: FastifyReply, @Param() path: ResourcePath): Promise<void> {
    return this.#thumbnail(request, reply, () => selectionOf(path));
  }

  @Get('series/:series/instances/:instance/thumbnail')
  instance(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param() path: Required<ResourcePath>,
  ): Promise<void> {
    return this.#thumbnail(request, reply, () => instanceOf(path));
  }

  @Get('series/:series/instances/:instance/frames/:frames/thumbnail')
  frame(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param() path: Required<ResourcePath>,
    @Param('frames') list: string,
  ): Promise<void> {
    return this.#thumbnail(request, reply, () => instanceOf(path), list);
  }

  #thumbnail(request: FastifyRequest, reply: FastifyReply, select: () => Selection, list?: string): Promise<void> {
    return this.answers.sendPictures(request, reply, async (retrieve) => {
      const selection = select();
      const frame = list === undefined ? undefined : oneFrame(list);
      const side = this.settings.CALLOSUM_THUMBNAIL_PIXELS;
      const query = { viewport: { width: side, height: side }, ...readThumbnailQuery(parametersOf(request.url)) };
      const choice = choosePicture(acceptedBy(request), [false]);
      const candidates = representatives(await this.pictures.instances(selection));
      const etag = picturesETag(candidates, ['thumbnail', frame, query, choice]);
      if (isDecided(request, etag)) return decidedAnswer(choice.type, etag, vary);
      const form = formOf(choice, query);
      const [only] = selection.sopInstanceUid === undefined ? [] : candidates;
      const make = (): Promise<Uint8Array> =>
        only ? this.#of(only, frame, form, retrieve) : this.#first(candidates, form, retrieve);
      return { ...(await pictureAnswer(request, make, form)), etag, vary };
    });
  }

  /** Of the first that has one. @throws {NotFoundError} when none has */
  async #first(candidates: readonly KeptInstance[], form: PictureForm, retrieve: Retrieve): Promise<Uint8Array> {
    let refusal: unknown = new NotFoundError('a thumbnail');
    for (const instance of candidates) {
      try {
        return await this.#of(instance, undefined, form, retrieve);
      } catch (error) {
        if (!isWithoutPicture(error)) throw error;
        // Another size may do.
        if (error instanceof TooLargeError) refusal = error;
      }
    }
    throw refusal;
  }

  /**
   * @throws {NotRenderableError} when the instance has no picture
   * @throws {NotFoundError} when the frame is not there, or a name may stand in it @throws {TooLargeError}
   */
  async #of(
    instance: KeptInstance,
    frame: number | undefined,
    form: PictureForm,
    retrieve: Retrieve,
  ): Promise<Uint8Array> {
    const image = await this.pictures.open(instance, (image) => [frame ?? middleFrame(image)], retrieve);
    if (image.kind === 'file') throw new NotRenderableError(`no thumbnail is made of ${image.mediaType}`);
    if (image.hasBurnedInText) throw new NotFoundError('a thumbnail');
    const [number = 1] = image.frames;
    if (number > image.image.frames) throw new NotFoundError(`frame ${String(number)}`);
    return this.pictures.picture(image, number, form, retrieve);
  }
}

/** @throws {BadRequestError} for more than one: only one picture is answered (PS3.18 10.4.3.3.4) */
function oneFrame(list: string): number {
  const [number = 1, ...more] = readFrameList(list);
  if (more.length > 0) throw new BadRequestError('a thumbnail is of one frame');
  return number;
}
