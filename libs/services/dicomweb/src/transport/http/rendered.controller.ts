import { PLATFORM_SETTINGS, type PlatformSettings, SETTINGS } from '@callosum/runtime';
import { Controller, Get, Inject, Param, Req, Res, UseFilters } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import type { KeptInstance } from '../../application/ports/archive.js';
import { type PictureForm, RenderPictures } from '../../application/render-pictures.js';
import type { RenderableImage } from '../../application/renderable.js';
import type { Retrieve } from '../../application/retrieves.js';
import { baseUrlOf } from '../../domain/base-url.js';
import { NotAcceptableError, NotFoundError, TooLargeError } from '../../domain/errors/door.js';
import { NotRenderableError } from '../../domain/errors/rendering.js';
import { readFrameList } from '../../domain/frames.js';
import { choosePicture, type PictureChoice, takesFile } from '../../domain/picture-choices.js';
import { parametersOf } from '../../domain/query-parameters.js';
import { readRenderQuery } from '../../domain/render-query.js';
import { middleFrame } from '../../domain/representatives.js';
import type { DicomwebSettings } from '../../settings.js';
import { acceptedBy } from './accepted-by.js';
import { type Answer, Answers, decidedAnswer, isDecided } from './answer.js';
import { DicomwebErrorFilter } from './dicomweb-error.filter.js';
import { type BodyPart, multipartBody } from './multipart-body.js';
import {
  fileAnswer,
  formOf,
  frameParts,
  hasPicture,
  isWithoutPicture,
  partOf,
  pictureAnswer,
  picturesETag,
  vary,
} from './picture-answer.js';
import { instanceOf, type ResourcePath, selectionOf } from './resource-path.js';
import { instanceUrl } from './resource-url.js';

/** Which frames of an image are wanted, and the forms that so many may leave in. */
type Wanted = (image: RenderableImage['image']) => {
  readonly frames: readonly number[];
  readonly choice: PictureChoice;
};

/** Rendered resources (PS3.18 10.4.1.1.3): pictures as a screen shows them. */
@Controller('dicom-web/studies/:study')
@UseFilters(DicomwebErrorFilter)
export class RenderedController {
  constructor(
    @Inject(RenderPictures) private readonly pictures: RenderPictures,
    @Inject(Answers) private readonly answers: Answers,
    @Inject(SETTINGS) private readonly settings: DicomwebSettings,
    @Inject(PLATFORM_SETTINGS) private readonly platform: PlatformSettings,
  ) {}

  @Get('rendered')
  study(@Req() request: FastifyRequest, @Res() reply: FastifyReply, @Param() path: ResourcePath): Promise<void> {
    return this.#several(request, reply, path);
  }

  @Get('series/:series/rendered')
  series(@Req() request: FastifyRequest, @Res() reply: FastifyReply, @Param() path: ResourcePath): Promise<void> {
    return this.#several(request, reply, path);
  }

  /**
   * On its own the frame in the middle, or the PDF or MP4 that is in the object; in multipart/related all frames. Clients that
   * take anything want a picture.
   */
  @Get('series/:series/instances/:instance/rendered')
  instance(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param() path: Required<ResourcePath>,
  ): Promise<void> {
    return this.#one(request, reply, { path }, (image) => {
      const choice = choosePicture(acceptedBy(request), [false, true]);
      const { CALLOSUM_RENDERED_PARTS_MAX: most } = this.settings;
      if (choice.multipart && image.frames > most)
        throw new TooLargeError(`an answer has ${most} pictures at most: ask for frames`);
      const all = Array.from({ length: choice.multipart ? image.frames : 0 }, (_, i) => i + 1);
      return { choice, frames: choice.multipart ? all : [middleFrame(image)] };
    });
  }

  @Get('series/:series/instances/:instance/frames/:frames/rendered')
  frames(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param() path: Required<ResourcePath>,
    @Param('frames') list: string,
  ): Promise<void> {
    return this.#one(request, reply, { path, list }, (image) => {
      const frames = readFrameList(list);
      const missing = frames.find((number) => number > image.frames);
      if (missing !== undefined) throw new NotFoundError(`frame ${String(missing)}`);
      return { frames, choice: choosePicture(acceptedBy(request), frames.length > 1 ? [true] : [false, true]) };
    });
  }

  #one(
    request: FastifyRequest,
    reply: FastifyReply,
    { path, list }: { readonly path: Required<ResourcePath>; readonly list?: string },
    wanted: Wanted,
  ): Promise<void> {
    return this.answers.sendPictures(request, reply, async (retrieve) => {
      const selection = instanceOf(path);
      const query = readRenderQuery(parametersOf(request.url));
      if (list !== undefined) readFrameList(list);
      const accepted = acceptedBy(request);
      const instances = await this.pictures.instances(selection);
      const [instance] = instances;
      if (!instance) throw new NotFoundError('the instance');
      const url = this.#urlOf(request, instance);
      const etag = picturesETag(instances, [url, list, query, accepted]);
      if (hasPicture(request, etag)) return decidedAnswer('image/jpeg', etag, vary);
      let choice: PictureChoice | undefined;
      const opened = await this.pictures.open(
        instance,
        (image) => {
          const chosen = wanted(image);
          ({ choice } = chosen);
          return chosen.frames;
        },
        retrieve,
      );
      if (opened.kind === 'file') {
        if (list !== undefined) throw new NotRenderableError('the object has no frames that could be rendered');
        if (!takesFile(accepted, opened.mediaType))
          throw new NotAcceptableError(`the object is rendered as ${opened.mediaType}`);
        return { ...fileAnswer(opened, retrieve), vary };
      }
      const { format, multipart } = choice ?? { format: 'jpeg', multipart: false };
      if (isDecided(request, etag)) return decidedAnswer(`image/${format}`, etag, vary);
      const answer = await this.#answer(request, opened, { form: formOf({ format }, query), multipart, url, retrieve });
      return { ...answer, etag, vary };
    });
  }

  async #answer(
    request: FastifyRequest,
    image: RenderableImage,
    {
      form,
      multipart,
      url,
      retrieve,
    }: { readonly form: PictureForm; readonly multipart: boolean; readonly url: string; readonly retrieve: Retrieve },
  ): Promise<Answer> {
    if (multipart)
      return multipartBody(`image/${form.format}`, frameParts(this.pictures, image, { form, url, retrieve }));
    const [number = 1] = image.frames;
    return pictureAnswer(request, () => this.pictures.picture(image, number, form, retrieve), form);
  }

  /** One picture an instance, of its middle frame; what has none is not among them. @throws when none has */
  #several(request: FastifyRequest, reply: FastifyReply, path: ResourcePath): Promise<void> {
    return this.answers.sendPictures(request, reply, async (retrieve) => {
      const selection = selectionOf(path);
      const query = readRenderQuery(parametersOf(request.url));
      const choice = choosePicture(acceptedBy(request), [true]);
      const instances = await this.pictures.instances(selection);
      const { CALLOSUM_RENDERED_PARTS_MAX: most } = this.settings;
      if (instances.length > most)
        throw new TooLargeError(`an answer has ${most} pictures at most: ask for series, or instances`);
      const etag = picturesETag(instances, [this.#baseUrl(request), query, choice]);
      const type = `image/${choice.format}`;
      if (isDecided(request, etag)) return decidedAnswer(type, etag, vary);
      if (request.method === 'HEAD') {
        const { contentType, open } = multipartBody(type, []);
        return { contentType, open, etag, vary };
      }
      const parts = this.#parts(request, instances, formOf(choice, query), retrieve);
      // The first is made before the answer begins: so it is known that there is one.
      const { value: first } = await parts.next();
      return { ...multipartBody(type, first ? startingWith(first, parts) : []), etag, vary };
    });
  }

  async *#parts(
    request: FastifyRequest,
    instances: readonly KeptInstance[],
    form: PictureForm,
    retrieve: Retrieve,
  ): AsyncGenerator<BodyPart, undefined> {
    let refusal: unknown = new NotRenderableError('no object there has an image that could be rendered');
    let isEmpty = true;
    for (const instance of instances) {
      try {
        const opened = await this.pictures.open(instance, (image) => [middleFrame(image)], retrieve);
        if (opened.kind === 'file') continue;
        const [number = 1] = opened.frames;
        const bytes = await this.pictures.picture(opened, number, form, retrieve);
        isEmpty = false;
        yield partOf(bytes, form, `${this.#urlOf(request, instance)}/rendered`);
      } catch (error) {
        if (!isWithoutPicture(error)) throw error;
        // Another size may do.
        if (error instanceof TooLargeError) refusal = error;
      }
    }
    if (isEmpty) throw refusal;
  }

  #baseUrl = (request: FastifyRequest): string => baseUrlOf(request, this.platform.CALLOSUM_PUBLIC_URL);
  #urlOf = (request: FastifyRequest, instance: KeptInstance): string => instanceUrl(this.#baseUrl(request), instance);
}

async function* startingWith(first: BodyPart, rest: AsyncIterable<BodyPart>): AsyncGenerator<BodyPart> {
  yield first;
  yield* rest;
}
