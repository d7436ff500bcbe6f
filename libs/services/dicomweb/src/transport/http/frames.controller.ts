import { PLATFORM_SETTINGS, type PlatformSettings } from '@callosum/runtime';
import { Controller, Get, Inject, Param, Req, Res, UseFilters } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { ReadFrames } from '../../application/read-frames.js';
import { baseUrlOf } from '../../domain/base-url.js';
import { frameChoices, frameNotAcceptable } from '../../domain/frame-choices.js';
import { readFrameList } from '../../domain/frames.js';
import { acceptedBy } from './accepted-by.js';
import { Answers, decidedAnswer, isDecided } from './answer.js';
import { DicomwebErrorFilter } from './dicomweb-error.filter.js';
import { bodyOf, pixelsETag } from './pixel-answer.js';
import { instanceOf, type ResourcePath } from './resource-path.js';
import { instanceUrl } from './resource-url.js';

const vary = 'accept';

/** Frames, PS3.18 10.4.1.1.6. */
@Controller('dicom-web/studies/:study/series/:series/instances/:instance')
@UseFilters(DicomwebErrorFilter)
export class FramesController {
  constructor(
    @Inject(ReadFrames) private readonly pixels: ReadFrames,
    @Inject(Answers) private readonly answers: Answers,
    @Inject(PLATFORM_SETTINGS) private readonly platform: PlatformSettings,
  ) {}

  @Get('frames/:frames')
  frames(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param() path: Required<ResourcePath>,
    @Param('frames') list: string,
  ): Promise<void> {
    return this.answers.send(request, reply, async (retrieve) => {
      const instance = await this.pixels.instance(instanceOf(path));
      const numbers = readFrameList(list);
      const choices = frameChoices(acceptedBy(request), instance.transferSyntaxUid, numbers.length > 1);
      const [best] = choices;
      if (!best) throw frameNotAcceptable(instance.transferSyntaxUid);
      const url = `${instanceUrl(baseUrlOf(request, this.platform.CALLOSUM_PUBLIC_URL), instance)}/frames`;
      const etag = pixelsETag(instance, choices, [url, numbers.join()]);
      if (isDecided(request, etag)) return decidedAnswer(best.mediaType, etag, vary);
      // What cannot be had is found out with the first frame: so a wrong number is a 404 and not a broken body.
      const chosen = await this.pixels.read(instance, numbers, choices, retrieve);
      return { ...(await bodyOf(chosen, (at) => `${url}/${String(numbers[at])}`)), etag, vary };
    });
  }
}
