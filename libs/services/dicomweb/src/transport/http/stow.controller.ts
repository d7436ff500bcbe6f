import { PLATFORM_SETTINGS, type PlatformSettings } from '@callosum/runtime';
import { Controller, Inject, Param, Post, Req, Res, UseFilters } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { StoreInstances } from '../../application/store-instances.js';
import { DicomwebErrorFilter } from './dicomweb-error.filter.js';
import { RequestBody } from './request-body.js';

/** STOW-RS, PS3.18 10.5. */
@Controller('dicom-web/studies')
@UseFilters(DicomwebErrorFilter)
export class StowController {
  constructor(
    @Inject(StoreInstances) private readonly stores: StoreInstances,
    @Inject(PLATFORM_SETTINGS) private readonly settings: PlatformSettings,
  ) {}

  @Post()
  store(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.#store(request, reply, undefined);
  }

  @Post(':study')
  storeInStudy(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param('study') study: string,
  ): Promise<void> {
    return this.#store(request, reply, study);
  }

  async #store(request: FastifyRequest, reply: FastifyReply, studyInstanceUid: string | undefined): Promise<void> {
    const body = new RequestBody(request.raw);
    const { status, dataset } = await this.stores
      .store({
        contentType: request.headers['content-type'] ?? '',
        body,
        studyInstanceUid,
        source: 'stow',
        baseUrl: `${this.settings.CALLOSUM_PUBLIC_URL}/dicom-web`,
      })
      .finally(() => body.drain());
    if (status === 503) void reply.header('retry-after', '5');
    void reply.code(status).type('application/dicom+json').send(JSON.stringify(dataset));
  }
}
