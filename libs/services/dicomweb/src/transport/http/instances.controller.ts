import { PLATFORM_SETTINGS, type PlatformSettings } from '@callosum/runtime';
import { Controller, Get, Inject, Param, Req, Res, UseFilters } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import {
  areAsStored,
  type InstanceBody,
  type MadeInstance,
  ReadInstances,
  type WantedInstance,
} from '../../application/read-instances.js';
import type { Retrieve } from '../../application/retrieves.js';
import { baseUrlOf } from '../../domain/base-url.js';
import { strongETag, weakETag } from '../../domain/etag.js';
import { acceptedBy } from './accepted-by.js';
import { type Answer, Answers, decidedAnswer, isDecided } from './answer.js';
import { DicomwebErrorFilter } from './dicomweb-error.filter.js';
import { type BodyPart, type LaterPart, multipartBody } from './multipart-body.js';
import { type ResourcePath, selectionOf } from './resource-path.js';
import { instanceUrl } from './resource-url.js';

/** Another one when the same object gives other bytes than before: who has the old ones must not keep them. */
const serialiser = 'instances 1';
const mediaType = 'application/dicom';
const vary = 'accept';

/** Instances as application/dicom, PS3.18 10.4.1.1.1. */
@Controller('dicom-web/studies/:study')
@UseFilters(DicomwebErrorFilter)
export class InstancesController {
  constructor(
    @Inject(ReadInstances) private readonly instances: ReadInstances,
    @Inject(Answers) private readonly answers: Answers,
    @Inject(PLATFORM_SETTINGS) private readonly platform: PlatformSettings,
  ) {}

  @Get()
  study(@Req() request: FastifyRequest, @Res() reply: FastifyReply, @Param() path: ResourcePath): Promise<void> {
    return this.#retrieve(request, reply, path);
  }

  @Get('series/:series')
  series(@Req() request: FastifyRequest, @Res() reply: FastifyReply, @Param() path: ResourcePath): Promise<void> {
    return this.#retrieve(request, reply, path);
  }

  @Get('series/:series/instances/:instance')
  instance(@Req() request: FastifyRequest, @Res() reply: FastifyReply, @Param() path: ResourcePath): Promise<void> {
    return this.#retrieve(request, reply, path);
  }

  #retrieve(request: FastifyRequest, reply: FastifyReply, path: ResourcePath): Promise<void> {
    return this.answers.send(request, reply, async (retrieve) => {
      const wanted = await this.instances.wanted(selectionOf(path), acceptedBy(request));
      const baseUrl = baseUrlOf(request, this.platform.CALLOSUM_PUBLIC_URL);
      const etag = etagOf(wanted, baseUrl);
      if (isDecided(request, etag)) return decidedAnswer(mediaType, etag, vary);
      return { ...(await this.#answer(wanted, baseUrl, retrieve)), etag, vary };
    });
  }

  async #answer(wanted: readonly WantedInstance[], baseUrl: string, retrieve: Retrieve): Promise<Answer> {
    const instances = await this.instances.bodies(wanted, retrieve);
    const first = await instances[0]?.make();
    if (first && !first.multipart) {
      const { byteCount } = first;
      const length = byteCount === undefined ? {} : { byteCount, ranged: true };
      return { contentType: typeOf(first), ...length, open: (part) => first.open(part) };
    }
    const parts = areAsStored(wanted)
      ? instances.map((one) => partAsStored(one, baseUrl))
      : partsAsMade(instances, baseUrl);
    return multipartBody(mediaType, parts, { ahead: true });
  }
}

/** What it is known to be before it is opened: so the length of all of them is known. */
const partAsStored = ({ instance, make }: MadeInstance, baseUrl: string): BodyPart => ({
  contentType: typeOf(instance),
  location: instanceUrl(baseUrl, instance),
  byteCount: instance.byteCount,
  open: async () => (await make()).open(),
});

async function* partsAsMade(instances: readonly MadeInstance[], baseUrl: string): AsyncGenerator<BodyPart | LaterPart> {
  for (const { make } of instances) {
    const body = await make();
    const { begin } = body;
    yield begin ? { begin: async () => partOf(await begin(), baseUrl) } : partOf(body, baseUrl);
  }
}

const partOf = (body: InstanceBody, baseUrl: string): BodyPart => ({
  contentType: typeOf(body),
  location: instanceUrl(baseUrl, body.instance),
  ...(body.byteCount === undefined ? {} : { byteCount: body.byteCount }),
  open: () => body.open(),
});

const typeOf = ({ transferSyntaxUid }: { readonly transferSyntaxUid: string }): string =>
  `${mediaType}; transfer-syntax=${transferSyntaxUid}`;

/**
 * Of what the answer is made of. Weak but for one object as it is stored: boundaries of multipart are drawn anew each time,
 * and code streams may differ with a codec's version.
 */
function etagOf(wanted: readonly WantedInstance[], baseUrl: string): string {
  // Those that are stored alike have one list of choices.
  const lists = [...new Set(wanted.map(({ choices }) => choices))];
  const numberOf = new Map(lists.map((choices, at) => [choices, String(at)]));
  const facts = [
    serialiser,
    baseUrl,
    ...lists.map((choices) =>
      choices.map(({ transferSyntaxUid, multipart }) => `${transferSyntaxUid} ${String(multipart)}`).join(),
    ),
    ...wanted.flatMap(({ instance: { blobKey }, choices, isPlainBesides }) => [
      blobKey,
      numberOf.get(choices) ?? '',
      String(isPlainBesides),
    ]),
  ];
  const isExact = areAsStored(wanted) && wanted.every(({ choices: [best] }) => best?.multipart === false);
  return isExact ? strongETag(facts) : weakETag(facts);
}
