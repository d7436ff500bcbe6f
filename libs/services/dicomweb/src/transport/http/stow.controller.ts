import { type DicomJson, dicomJsonText, toDicomXml } from '@callosum/dicom';
import { PLATFORM_SETTINGS, type PlatformSettings } from '@callosum/runtime';
import { Controller, Inject, Param, Post, Req, Res, UseFilters } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { type DatasetChoice, storeAnswerType } from '../../domain/accept.js';
import { baseUrlOf } from '../../domain/base-url.js';
import { NotAcceptableError } from '../../domain/errors/door.js';
import { sourceOf } from '../../domain/sender.js';
import { type StoreAnswer, StoreInstances } from '../../application/store-instances.js';
import { BODY_BOUNDS, PRINCIPAL_OF } from '../../tokens.js';
import { acceptedBy } from './accepted-by.js';
import { askerOf } from './asker.js';
import { DicomwebErrorFilter } from './dicomweb-error.filter.js';
import { type BodyBounds, RequestBody } from './request-body.js';
import { answersBefore, sendWhole } from './send-whole.js';

/** The id of who authenticated the request; undefined for nobody. */
export type PrincipalOf = (request: FastifyRequest) => string | undefined;

/** STOW-RS, PS3.18 10.5; below `from/<name>` for a client that has a name of its own. */
@Controller(['dicom-web/studies', 'dicom-web/from/:source/studies'])
@UseFilters(DicomwebErrorFilter)
export class StowController {
  constructor(
    @Inject(StoreInstances) private readonly stores: StoreInstances,
    @Inject(PLATFORM_SETTINGS) private readonly settings: PlatformSettings,
    @Inject(PRINCIPAL_OF) private readonly principalOf: PrincipalOf,
    @Inject(BODY_BOUNDS) private readonly bounds: BodyBounds,
  ) {}

  @Post()
  store(@Req() request: FastifyRequest, @Res() reply: FastifyReply, @Param('source') named?: string): Promise<void> {
    return this.#store(request, reply, undefined, named);
  }

  @Post(':study')
  storeInStudy(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param('study') study: string,
    @Param('source') named?: string,
  ): Promise<void> {
    return this.#store(request, reply, study, named);
  }

  async #store(
    request: FastifyRequest,
    reply: FastifyReply,
    studyInstanceUid: string | undefined,
    named: string | undefined,
  ): Promise<void> {
    const source = sourceOf({ principal: this.principalOf(request), named, address: request.ip });
    const body = new RequestBody(request.raw, this.bounds);
    const store = async (): Promise<StoreAnswer & Pick<DatasetChoice, 'mediaType'>> => {
      const mediaType = storeAnswerType(acceptedBy(request));
      // Before anything is stored: who cannot read what became of the objects must not have sent them.
      if (mediaType === undefined)
        throw new NotAcceptableError('the answer is given as application/dicom+json or application/dicom+xml');
      const answer = await this.stores.store({
        contentType: request.headers['content-type'] ?? '',
        contentEncoding: request.headers['content-encoding'] ?? '',
        // Node has seen that it is a number.
        byteCount: Number(request.headers['content-length'] ?? 0),
        body,
        studyInstanceUid,
        source,
        asker: askerOf(request),
        baseUrl: `${baseUrlOf(request, this.settings.CALLOSUM_PUBLIC_URL)}/dicom-web`,
      });
      return { ...answer, mediaType };
    };
    const { status, dataset, warning, mediaType } = await store().finally(async () => {
      if (!(await body.drain())) answersBefore(reply, body);
    });
    // PS3.18 Table I.2-1 has no room for words: the dataset has the reason as a number.
    if (warning !== undefined) void reply.header('warning', `299 callosum "${warning.replace(/[\\"\r\n]/g, ' ')}"`);
    if (status === 503) void reply.header('retry-after', '5');
    // As bytes: to text Fastify adds a charset, which neither type has, and clients compare the type.
    void sendWhole(reply.code(status).type(mediaType), bytesOf(dataset, mediaType));
  }
}

const bytesOf = (dataset: DicomJson, mediaType: DatasetChoice['mediaType']): Buffer =>
  Buffer.from(mediaType === 'application/dicom+xml' ? [...toDicomXml(dataset)].join('') : dicomJsonText(dataset));
