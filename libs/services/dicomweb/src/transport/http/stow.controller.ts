import { PLATFORM_SETTINGS, type PlatformSettings } from '@callosum/runtime';
import { Controller, Inject, Param, Post, Req, Res, UseFilters } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { takesDicomJson } from '../../domain/accept.js';
import { NotAcceptableError } from '../../domain/errors.js';
import { sourceOf } from '../../domain/sender.js';
import { type StoreAnswer, StoreInstances } from '../../application/store-instances.js';
import { PRINCIPAL_OF } from '../../tokens.js';
import { acceptedBy } from './accepted-by.js';
import { DicomwebErrorFilter } from './dicomweb-error.filter.js';
import { RequestBody } from './request-body.js';

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
    const body = new RequestBody(request.raw);
    const store = async (): Promise<StoreAnswer> => {
      // Before anything is stored: who cannot read what became of the objects must not have sent them.
      if (!takesDicomJson(acceptedBy(request)))
        throw new NotAcceptableError('the answer is given as application/dicom+json');
      return this.stores.store({
        contentType: request.headers['content-type'] ?? '',
        contentEncoding: request.headers['content-encoding'] ?? '',
        body,
        studyInstanceUid,
        source,
        baseUrl: `${this.settings.CALLOSUM_PUBLIC_URL}/dicom-web`,
      });
    };
    const { status, dataset } = await store().finally(() => body.drain());
    if (status === 503) void reply.header('retry-after', '5');
    void reply.code(status).type('application/dicom+json').send(JSON.stringify(dataset));
  }
}
