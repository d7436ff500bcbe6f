import { finished, Readable } from 'node:stream';

import { ExplicitVRLittleEndian } from '@callosum/dicom';
import { isUid } from '@callosum/kernel';
import { LOGGER } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
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
    @Inject(LOGGER) private readonly logger: Logger,
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
  frames(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param() path: Required<Path>,
    @Param('frames') list: string,
  ): Promise<void> {
    return this.#answer(request, reply, async (retrieve) => {
      const instance = await this.pixels.instance(selectionOf(path) as Required<Selection>);
      const { contentType, multipart } = chooseFrameForm(acceptedBy(request), instance.transferSyntaxUid);
      if (!multipart && list.includes(','))
        throw new NotAcceptableError('several frames are given as multipart/related');
      const frames = this.pixels.frames(instance, list, retrieve);
      // The first frame is found before the answer begins, so that a wrong number is a 404 and not a broken body.
      const first = await frames.next();
      if (first.done) throw new BadRequestError('no frame was asked for');
      if (!multipart) return { contentType, open: () => first.value.open() };
      const all = async function* (): AsyncGenerator<BodyPart> {
        yield { contentType, open: () => first.value.open() };
        for await (const frame of frames) yield { contentType, open: () => frame.open() };
      };
      return multipartBody(contentType.split(';')[0] ?? '', all());
    });
  }

  @Get('series/:series/instances/:instance/bulkdata/*')
  bulkData(@Req() request: FastifyRequest, @Res() reply: FastifyReply, @Param() path: Required<Path>): Promise<void> {
    return this.#answer(request, reply, async (retrieve) => {
      const instance = await this.pixels.instance(selectionOf(path) as Required<Selection>);
      const attribute = /\/bulkdata\/([^?]*)/.exec(request.url)?.[1] ?? '';
      const { contentType, multipart } = this.#bulkForm(acceptedBy(request), attribute, instance.transferSyntaxUid);
      const values = await this.pixels.bulkData(instance, attribute, retrieve);
      if (!multipart) {
        const [value] = values;
        if (!value || values.length > 1)
          throw new NotAcceptableError('compressed frames are given as multipart/related');
        return { contentType, open: () => value.open() };
      }
      const parts = values.map((value) => ({ contentType, open: () => value.open() }));
      return multipartBody(contentType.split(';')[0] ?? '', parts);
    });
  }

  /** Pixel Data leaves as frames do; any other value as octets. */
  #bulkForm(accepted: readonly Accepted[], attribute: string, transferSyntaxUid: string): FrameForm {
    return chooseFrameForm(
      accepted,
      attribute.toUpperCase() === '7FE00010' ? transferSyntaxUid : ExplicitVRLittleEndian,
    );
  }

  #retrieve(request: FastifyRequest, reply: FastifyReply, path: Path): Promise<void> {
    return this.#answer(request, reply, async (retrieve) => {
      const bodies = await this.instances.read(selectionOf(path), acceptedBy(request), retrieve);
      const typeOf = (body: InstanceBody): string => `application/dicom; transfer-syntax=${body.transferSyntaxUid}`;
      const [only] = bodies;
      if (only && !only.multipart) return { contentType: typeOf(only), open: () => only.open() };
      const parts = bodies.map((body) => ({ contentType: typeOf(body), open: () => body.open() }));
      return multipartBody('application/dicom', parts);
    });
  }

  #describe(request: FastifyRequest, reply: FastifyReply, path: Path): Promise<void> {
    return this.#answer(request, reply, async (retrieve) => {
      if (!takesDicomJson(acceptedBy(request)))
        throw new NotAcceptableError('metadata is given as application/dicom+json');
      const datasets = this.metadata.read(selectionOf(path), retrieve);
      const first = await datasets.next();
      const text = async function* (): AsyncGenerator<string> {
        yield '[';
        if (!first.done) yield first.value;
        for await (const dataset of datasets) yield `,${dataset}`;
        yield ']';
      };
      return {
        contentType: 'application/dicom+json',
        open: () => Promise.resolve(Readable.from(text(), { objectMode: false })),
      };
    });
  }

  /**
   * One answer. It counts until it has been sent, or its client has gone, and what was read for it has been let go.
   * HEAD (RFC 9110 9.3.2; PS3.18 has none) is answered by what is known before a body is opened: nothing is read for it
   * that is thrown away.
   * @throws {TooManyRetrievesError} {RetrieveEndedError}
   */
  async #answer(
    request: FastifyRequest,
    reply: FastifyReply,
    prepare: (retrieve: Retrieve) => Promise<Answer>,
  ): Promise<void> {
    const retrieve = this.retrieves.begin();
    onceClosed(reply, () => retrieve.end());
    const workEnded = retrieve.work();
    try {
      const { contentType, open } = await prepare(retrieve);
      const body = request.method === 'HEAD' ? Readable.from([]) : await open();
      finished(body, (error) => {
        workEnded();
        // The status has been sent: all that is left to do is to cut the connection, which Fastify does.
        if (error && reply.raw.headersSent && !retrieve.signal.aborted)
          this.logger.error({ err: error }, 'dicomweb.answer-cut');
      });
      onceClosed(reply, () => body.destroy());
      void reply.type(contentType).send(body);
    } catch (error) {
      workEnded();
      // Whatever became of the work then.
      retrieve.signal.throwIfAborted();
      throw error;
    }
  }
}

interface Answer {
  readonly contentType: string;
  /** Opened before the answer begins, so that what cannot be read has a status. */
  open(): Promise<Readable>;
}

/** When the answer has been sent, or the client is gone. */
function onceClosed({ raw }: FastifyReply, then: () => void): void {
  if (raw.closed) then();
  else raw.once('close', then);
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
