import { Controller, Get, Inject, Req, Res, UseFilters } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import type { KeptInstance } from '../../application/ports/archive.js';
import { areAsStored, ReadInstances } from '../../application/read-instances.js';
import { RenderPictures } from '../../application/render-pictures.js';
import type { Renderable, RenderableImage } from '../../application/renderable.js';
import type { Retrieve } from '../../application/retrieves.js';
import { readAccept } from '../../domain/accept.js';
import { BadRequestError, NotAcceptableError, NotFoundError } from '../../domain/errors/door.js';
import { NotRenderableError } from '../../domain/errors/rendering.js';
import { strongETag, weakETag } from '../../domain/etag.js';
import { fileMediaTypes, pictureMediaTypes, type UriChoice, uriChoices } from '../../domain/picture-choices.js';
import { middleFrame } from '../../domain/representatives.js';
import { parametersOf } from '../../domain/query-parameters.js';
import { readWadoUriQuery, renderQueryOf, type WadoUriQuery } from '../../domain/wado-uri-query.js';
import { type Answer, Answers, decidedAnswer, isDecided } from './answer.js';
import { DicomwebErrorFilter } from './dicomweb-error.filter.js';
import { fileAnswer, hasPicture, pictureAnswer, picturesETag, vary } from './picture-answer.js';

const dicom = 'application/dicom';
/** Another one when the same object gives other bytes than before: who has the old ones must not keep them. */
const serialiser = 'uri 1';

interface Asked {
  readonly query: WadoUriQuery;
  readonly instance: KeptInstance;
  /** Best first. */
  readonly choices: readonly UriChoice[];
}

/** WADO-URI (PS3.18 9): one instance by a query, as a picture or as it is. */
@Controller('dicom-web')
@UseFilters(DicomwebErrorFilter)
export class WadoUriController {
  constructor(
    @Inject(RenderPictures) private readonly pictures: RenderPictures,
    @Inject(ReadInstances) private readonly instances: ReadInstances,
    @Inject(Answers) private readonly answers: Answers,
  ) {}

  @Get()
  root(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.#retrieve(request, reply);
  }

  @Get('wado')
  wado(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.#retrieve(request, reply);
  }

  async #retrieve(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const query = readWadoUriQuery(parametersOf(request.url));
    // The parameter says it in place of the header (PS3.18 9.1.2.2.1): browsers send theirs unasked.
    const header = query.contentType === undefined ? request.headers.accept : undefined;
    const choices = uriChoices(readAccept(header, query.contentType));
    const [best] = choices;
    if (best?.form === 'dicom')
      return this.answers.send(request, reply, (retrieve) => this.#object(request, query, retrieve));
    return this.answers.sendPictures(request, reply, async (retrieve) => {
      const instances = await this.pictures.instances(selectionOf(query));
      const [instance] = instances;
      if (!instance) throw new NotFoundError('the instance');
      const etag = picturesETag(instances, ['uri', query, choices]);
      if (hasPicture(request, etag)) return decidedAnswer(best?.type ?? dicom, etag, vary);
      const answer = await this.#answer(request, { query, instance, choices }, retrieve);
      return { ...answer, etag: answer.etag ?? etag, vary };
    });
  }

  /** The first form that the object has. */
  async #answer(request: FastifyRequest, { query, instance, choices }: Asked, retrieve: Retrieve): Promise<Answer> {
    let opened: Renderable | undefined;
    let refusal: Error | undefined;
    for (const { form, type } of choices) {
      if (form === 'dicom') return this.#object(request, query, retrieve);
      // What has no picture has none in any form.
      if (refusal) continue;
      try {
        opened ??= await this.#open(instance, query, retrieve);
        if (opened.kind === 'file' && opened.mediaType === type) {
          refuseRenderedOnly(query);
          return fileAnswer(opened, retrieve);
        }
        if (form === 'file' || opened.kind === 'file') continue;
        const image = opened;
        const [number = 1] = image.frames;
        const wanted = { ...renderQueryOf(query.rendering, image.image), format: form };
        return await pictureAnswer(request, () => this.pictures.picture(image, number, wanted, retrieve), wanted);
      } catch (error) {
        if (!(error instanceof NotRenderableError)) throw error;
        refusal = error;
      }
    }
    throw (
      refusal ??
      new NotAcceptableError(`an instance is given as ${[...pictureMediaTypes, ...fileMediaTypes, dicom].join(', ')}`)
    );
  }

  async #open(instance: KeptInstance, { frameNumber }: WadoUriQuery, retrieve: Retrieve): Promise<Renderable> {
    const opened = await this.pictures.open(instance, (image) => [frameNumber ?? middleFrame(image)], retrieve);
    if (frameNumber !== undefined && opened.kind === 'image') checkFrame(opened, frameNumber);
    return opened;
  }

  async #object(
    request: FastifyRequest,
    { transferSyntax, ...query }: WadoUriQuery,
    retrieve: Retrieve,
  ): Promise<Answer> {
    refuseRenderedOnly(query);
    const accepted = [{ type: dicom, partType: undefined, transferSyntax, quality: 1, fromQuery: true }];
    const wanted = await this.instances.wanted(selectionOf(query), accepted);
    const facts = wanted.flatMap(({ instance: { blobKey }, choices }) => [
      blobKey,
      choices.map(({ transferSyntaxUid }) => transferSyntaxUid).join(),
    ]);
    // Code streams may differ with a codec's version; what leaves as it is stored does not.
    const etag = (areAsStored(wanted) ? strongETag : weakETag)([serialiser, ...facts]);
    if (isDecided(request, etag)) return decidedAnswer(dicom, etag, vary);
    const [made] = await this.instances.bodies(wanted, retrieve);
    if (!made) throw new NotFoundError('the instance');
    const body = await made.make();
    const { byteCount } = body;
    return {
      contentType: `${dicom}; transfer-syntax=${body.transferSyntaxUid}`,
      etag,
      vary,
      ...(byteCount === undefined ? {} : { byteCount, ranged: true }),
      open: (part) => body.open(part),
    };
  }
}

const selectionOf = ({ study, series, instance }: Pick<WadoUriQuery, 'study' | 'series' | 'instance'>) => ({
  studyInstanceUid: study,
  seriesInstanceUid: series,
  sopInstanceUid: instance,
});

/** What is no picture has neither frames nor sizes to choose. @throws {BadRequestError} */
function refuseRenderedOnly({ renderedOnly }: Pick<WadoUriQuery, 'renderedOnly'>): void {
  if (renderedOnly.length > 0) throw new BadRequestError(`${renderedOnly.join(', ')}: the object is given as it is`);
}

/** PS3.18 9.5.2.1. @throws {BadRequestError} */
function checkFrame({ isMultiFrame, image: { frames } }: RenderableImage, frameNumber: number): void {
  if (!isMultiFrame) throw new BadRequestError('frameNumber: the object is no multi-frame image');
  if (frameNumber > frames) throw new BadRequestError(`frameNumber: the object has ${String(frames)} frames`);
}
