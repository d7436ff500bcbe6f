import { Readable } from 'node:stream';

import { ExplicitVRLittleEndian } from '@callosum/dicom';
import { isUid } from '@callosum/kernel';
import { Controller, Get, Inject, Param, Req, Res, UseFilters } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { type InstanceBody, ReadInstances } from '../../application/read-instances.js';
import { ReadMetadata } from '../../application/read-metadata.js';
import { ReadPixels } from '../../application/read-pixels.js';
import type { Selection } from '../../application/ports.js';
import { type Retrieve, Retrieves } from '../../application/retrieves.js';
import { type Accepted, chooseFrameForm, type FrameForm, takesDicomJson } from '../../domain/accept.js';
import { BadRequestError, NotAcceptableError } from '../../domain/errors.js';
import { acceptedBy } from './accepted-by.js';
import { DicomwebErrorFilter } from './dicomweb-error.filter.js';
import { type BodyPart, multipartBody } from './multipart-body.js';

interface Path {
  readonly study: string;
  readonly series?: string;
  readonly instance?: string;
}

/** WADO-RS, PS3.18 10.4. */
@Controller('dicom-web/studies/:study')
@UseFilters(DicomwebErrorFilter)
export class WadoController {
  constructor(
    @Inject(ReadInstances) private readonly instances: ReadInstances,
    @Inject(ReadMetadata) private readonly metadata: ReadMetadata,
    @Inject(ReadPixels) private readonly pixels: ReadPixels,
    @Inject(Retrieves) private readonly retrieves: Retrieves,
  ) {}

  @Get()
  study(@Req() request: FastifyRequest, @Res() reply: FastifyReply, @Param() path: Path): Promise<void> {
    return this.#retrieve(request, reply, path);
  }

  @Get('series/:series')
  series(@Req() request: FastifyRequest, @Res() reply: FastifyReply, @Param() path: Path): Promise<void> {
    return this.#retrieve(request, reply, path);
  }

  @Get('series/:series/instances/:instance')
  instance(@Req() request: FastifyRequest, @Res() reply: FastifyReply, @Param() path: Path): Promise<void> {
    return this.#retrieve(request, reply, path);
  }

  @Get('metadata')
  studyMetadata(@Req() request: FastifyRequest, @Res() reply: FastifyReply, @Param() path: Path): Promise<void> {
    return this.#describe(request, reply, path);
  }

  @Get('series/:series/metadata')
  seriesMetadata(@Req() request: FastifyRequest, @Res() reply: FastifyReply, @Param() path: Path): Promise<void> {
    return this.#describe(request, reply, path);
  }

  @Get('series/:series/instances/:instance/metadata')
  instanceMetadata(@Req() request: FastifyRequest, @Res() reply: FastifyReply, @Param() path: Path): Promise<void> {
    return this.#describe(request, reply, path);
  }

  @Get('series/:series/instances/:instance/frames/:frames')
  async frames(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param() path: Required<Path>,
    @Param('frames') list: string,
  ): Promise<void> {
    const retrieve = this.#begin(reply);
    const instance = await this.pixels.instance(selectionOf(path) as Required<Selection>);
    const { contentType, multipart } = chooseFrameForm(acceptedBy(request), instance.transferSyntaxUid);
    if (!multipart && list.includes(',')) throw new NotAcceptableError('several frames are given as multipart/related');
    const frames = this.pixels.frames(instance, list, retrieve);
    // The first frame is opened before the answer begins, so that a wrong number is a 404 and not a broken body.
    const first = await frames.next();
    if (first.done) throw new BadRequestError('no frame was asked for');
    const opened = await open(reply, first.value);
    if (!multipart) return void reply.type(contentType).send(opened);
    const all = async function* (): AsyncGenerator<BodyPart> {
      yield { contentType, open: () => Promise.resolve(opened) };
      for await (const frame of frames) yield { contentType, open: () => frame.open() };
    };
    send(reply, multipartBody(contentType.split(';')[0] ?? '', all()));
  }

  @Get('series/:series/instances/:instance/bulkdata/*')
  async bulkData(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param() path: Required<Path>,
  ): Promise<void> {
    const retrieve = this.#begin(reply);
    const instance = await this.pixels.instance(selectionOf(path) as Required<Selection>);
    const attribute = /\/bulkdata\/([^?]*)/.exec(request.url)?.[1] ?? '';
    const { contentType, multipart } = this.#bulkForm(acceptedBy(request), attribute, instance.transferSyntaxUid);
    const values = await this.pixels.bulkData(instance, attribute, retrieve);
    if (!multipart) {
      const [value] = values;
      if (!value || values.length > 1) throw new NotAcceptableError('compressed frames are given as multipart/related');
      return void reply.type(contentType).send(await open(reply, value));
    }
    const parts = values.map((value) => ({ contentType, open: () => value.open() }));
    send(reply, multipartBody(contentType.split(';')[0] ?? '', parts));
  }

  /** Counts until the answer has been sent, or the client is gone. @throws {TooManyRetrievesError} */
  #begin(reply: FastifyReply): Retrieve {
    const retrieve = this.retrieves.begin();
    onceClosed(reply, () => retrieve.end());
    return retrieve;
  }

  /** Pixel Data leaves as frames do; any other value as octets. */
  #bulkForm(accepted: readonly Accepted[], attribute: string, transferSyntaxUid: string): FrameForm {
    return chooseFrameForm(
      accepted,
      attribute.toUpperCase() === '7FE00010' ? transferSyntaxUid : ExplicitVRLittleEndian,
    );
  }

  async #retrieve(request: FastifyRequest, reply: FastifyReply, path: Path): Promise<void> {
    const bodies = await this.instances.read(selectionOf(path), acceptedBy(request), this.#begin(reply));
    const typeOf = (body: InstanceBody): string => `application/dicom; transfer-syntax=${body.transferSyntaxUid}`;
    const [only] = bodies;
    if (only && !only.multipart) return void reply.type(typeOf(only)).send(await open(reply, only));
    send(
      reply,
      multipartBody(
        'application/dicom',
        bodies.map((body) => ({ contentType: typeOf(body), open: () => body.open() })),
      ),
    );
  }

  async #describe(request: FastifyRequest, reply: FastifyReply, path: Path): Promise<void> {
    if (!takesDicomJson(acceptedBy(request)))
      throw new NotAcceptableError('metadata is given as application/dicom+json');
    const datasets = this.metadata.read(selectionOf(path), this.#begin(reply));
    const first = await datasets.next();
    const text = async function* (): AsyncGenerator<string> {
      yield '[';
      if (!first.done) yield first.value;
      for await (const dataset of datasets) yield `,${dataset}`;
      yield ']';
    };
    void reply.type('application/dicom+json').send(Readable.from(text(), { objectMode: false }));
  }
}

/** Opened before the answer begins; freed when the client is gone, also before it was read. */
async function open(reply: FastifyReply, body: { open(): Promise<Readable> }): Promise<Readable> {
  const opened = await body.open();
  onceClosed(reply, () => opened.destroy());
  return opened;
}

/** When the answer has been sent, or the client is gone. */
function onceClosed({ raw }: FastifyReply, then: () => void): void {
  if (raw.closed) then();
  else raw.once('close', then);
}

function send(reply: FastifyReply, { contentType, body }: { contentType: string; body: Readable }): void {
  void reply.type(contentType).send(body);
}

/** @throws {BadRequestError} for what is no UID */
function selectionOf({ study, series, instance }: Path): Selection {
  for (const uid of [study, series, instance]) {
    if (uid !== undefined && !isUid(uid)) throw new BadRequestError('the path holds something that is no UID');
  }
  return {
    studyInstanceUid: study,
    ...(series === undefined ? {} : { seriesInstanceUid: series }),
    ...(instance === undefined ? {} : { sopInstanceUid: instance }),
  };
}
