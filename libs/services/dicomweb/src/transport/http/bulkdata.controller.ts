import { PLATFORM_SETTINGS, type PlatformSettings } from '@callosum/runtime';
import { Controller, Get, Inject, Param, Req, Res, UseFilters } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { ReadBulk } from '../../application/read-bulk.js';
import { ReadFrames } from '../../application/read-frames.js';
import { baseUrlOf } from '../../domain/base-url.js';
import { isDocument, isPixelData, stepsOf } from '../../domain/bulk-path.js';
import { frameChoices, frameNotAcceptable, valueChoices, valueNotAcceptable } from '../../domain/frame-choices.js';
import { acceptedBy } from './accepted-by.js';
import { Answers, decidedAnswer, isDecided } from './answer.js';
import { DicomwebErrorFilter } from './dicomweb-error.filter.js';
import { bodyOf, pixelsETag } from './pixel-answer.js';
import { instanceOf, type ResourcePath } from './resource-path.js';
import { instanceUrl } from './resource-url.js';

const vary = 'accept';

/** Bulk data by its URI, PS3.18 10.4.1.1.5. */
@Controller('dicom-web/studies/:study/series/:series/instances/:instance')
@UseFilters(DicomwebErrorFilter)
export class BulkDataController {
  constructor(
    @Inject(ReadFrames) private readonly frames: ReadFrames,
    @Inject(ReadBulk) private readonly bulk: ReadBulk,
    @Inject(Answers) private readonly answers: Answers,
    @Inject(PLATFORM_SETTINGS) private readonly platform: PlatformSettings,
  ) {}

  @Get('bulkdata/*')
  bulkData(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param() path: Required<ResourcePath>,
  ): Promise<void> {
    return this.answers.send(request, reply, async (retrieve) => {
      const instance = await this.frames.instance(instanceOf(path));
      const steps = stepsOf(/\/bulkdata\/([^?]*)/.exec(request.url)?.[1] ?? '');
      // Pixel Data leaves as frames do; any other value as octets, or the document that it is.
      const isPixels = isPixelData(steps);
      const { transferSyntaxUid: stored } = instance;
      const accepted = acceptedBy(request);
      const choices = isPixels ? frameChoices(accepted, stored, false) : valueChoices(accepted, isDocument(steps));
      const [best] = choices;
      if (!best) throw isPixels ? frameNotAcceptable(stored) : valueNotAcceptable(isDocument(steps));
      const ofInstance = instanceUrl(baseUrlOf(request, this.platform.CALLOSUM_PUBLIC_URL), instance);
      const url = `${ofInstance}/bulkdata/${steps.join('/')}`;
      const etag = pixelsETag(instance, choices, [url]);
      if (isDecided(request, etag)) return decidedAnswer(best.mediaType, etag, vary);
      const chosen = isPixels
        ? await this.bulk.pixelData(instance, steps[0] ?? '', choices, retrieve)
        : await this.bulk.chosenValue(instance, steps, choices, retrieve);
      // Each part is named as the metadata name the value, also of several code streams.
      return { ...(await bodyOf(chosen, () => url)), etag, vary };
    });
  }
}
