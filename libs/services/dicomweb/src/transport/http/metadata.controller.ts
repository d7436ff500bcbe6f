import { PLATFORM_SETTINGS, type PlatformSettings } from '@callosum/runtime';
import { Controller, Get, Inject, Param, Req, Res, UseFilters } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { ReadMetadata } from '../../application/read-metadata.js';
import { datasetChoices } from '../../domain/accept.js';
import { baseUrlOf } from '../../domain/base-url.js';
import { contentCodingOf } from '../../domain/encoding.js';
import { NotAcceptableError } from '../../domain/errors/door.js';
import { weakETag } from '../../domain/etag.js';
import { acceptedBy } from './accepted-by.js';
import { Answers } from './answer.js';
import { DicomwebErrorFilter } from './dicomweb-error.filter.js';
import { metadataBody } from './metadata-body.js';
import { type ResourcePath, selectionOf } from './resource-path.js';

/** Another one when the same object gives another text than before: who has the old one must not keep it. */
const serialiser = 'metadata 3';

/** Metadata, PS3.18 10.4.1.1.2. */
@Controller('dicom-web/studies/:study')
@UseFilters(DicomwebErrorFilter)
export class MetadataController {
  constructor(
    @Inject(ReadMetadata) private readonly metadata: ReadMetadata,
    @Inject(Answers) private readonly answers: Answers,
    @Inject(PLATFORM_SETTINGS) private readonly platform: PlatformSettings,
  ) {}

  @Get('metadata')
  study(@Req() request: FastifyRequest, @Res() reply: FastifyReply, @Param() path: ResourcePath): Promise<void> {
    return this.#describe(request, reply, path);
  }

  @Get('series/:series/metadata')
  series(@Req() request: FastifyRequest, @Res() reply: FastifyReply, @Param() path: ResourcePath): Promise<void> {
    return this.#describe(request, reply, path);
  }

  @Get('series/:series/instances/:instance/metadata')
  instance(@Req() request: FastifyRequest, @Res() reply: FastifyReply, @Param() path: ResourcePath): Promise<void> {
    return this.#describe(request, reply, path);
  }

  #describe(request: FastifyRequest, reply: FastifyReply, path: ResourcePath): Promise<void> {
    return this.answers.send(request, reply, async (retrieve) => {
      const [choice] = datasetChoices(acceptedBy(request), path.instance === undefined);
      if (!choice)
        throw new NotAcceptableError(
          'metadata is given as application/dicom+json, or as multipart/related; type="application/dicom+xml"',
        );
      const coding = contentCodingOf(request.headers['accept-encoding']);
      const baseUrl = baseUrlOf(request, this.platform.CALLOSUM_PUBLIC_URL);
      const located = await this.metadata.locate(selectionOf(path));
      const { contentType, open } = metadataBody(
        choice,
        () => this.metadata.read(located, baseUrl, retrieve),
        retrieve,
      );
      const { mediaType, multipart } = choice;
      const form = [serialiser, mediaType, String(multipart), baseUrl];
      return {
        contentType,
        etag: weakETag([...form, ...located.instances.map(({ blobKey }) => blobKey)]),
        vary: 'accept, accept-encoding',
        ...(coding === 'identity' ? {} : { contentEncoding: coding }),
        open: () => open(coding),
      };
    });
  }
}
