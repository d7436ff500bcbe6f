import { PLATFORM_SETTINGS, type PlatformSettings } from '@callosum/runtime';
import { Controller, Inject, Options, Req, Res, UseFilters } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { allowedMethods } from '../../conformance/allowed-methods.js';
import { isAtOrBelow } from '../../conformance/path-template.js';
import { resources } from '../../conformance/resources.js';
import { wadlMediaType, wadlOf } from '../../conformance/wadl.js';
import { baseUrlOf } from '../../domain/base-url.js';
import { NotAcceptableError, NotFoundError } from '../../domain/errors/door.js';
import { rankedOffers } from '../../domain/negotiate.js';
import { acceptedBy } from './accepted-by.js';
import { DicomwebErrorFilter } from './dicomweb-error.filter.js';

const root = '/dicom-web';

/**
 * Retrieve Capabilities, PS3.18 8.9: what the whole service, or a resource and what lies below it, can be asked. It says nothing of
 * what is stored, and needs no sign-in.
 */
@Controller('dicom-web')
@UseFilters(DicomwebErrorFilter)
export class CapabilitiesController {
  constructor(@Inject(PLATFORM_SETTINGS) private readonly platform: PlatformSettings) {}

  @Options(['', '*'])
  describe(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const path = (request.url.split('?', 1)[0] ?? '').replace(/\/$/, '');
    const found = resources.filter(({ method, template }) => method !== 'OPTIONS' && isAtOrBelow(template, path));
    if (found.length === 0) throw new NotFoundError('a resource of this path');
    const offered = [{ type: wadlMediaType, multipart: false }];
    if (rankedOffers(acceptedBy(request), offered).length === 0)
      throw new NotAcceptableError(`capabilities are given as ${wadlMediaType}`);
    const allowed = allowedMethods(path);
    // A path that only leads to resources has no other method.
    void reply.header('allow', (allowed.length > 0 ? allowed : ['OPTIONS']).join(', ')).type(wadlMediaType);
    void reply.send(wadlOf(found, `${baseUrlOf(request, this.platform.CALLOSUM_PUBLIC_URL)}${root}`));
  }
}
