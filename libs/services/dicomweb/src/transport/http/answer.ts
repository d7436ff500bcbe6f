import { finished, Readable } from 'node:stream';

import { LOGGER } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import { Inject, Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { type Retrieve, type RetrieveKind, Retrieves } from '../../application/retrieves.js';
import { type AnswerPlan, planAnswer } from '../../domain/answer-plan.js';
import { evaluate } from '../../domain/etag.js';
import type { BytePart } from '../../domain/range.js';
import { askerOf } from './asker.js';
import { exactly } from './exactly.js';

/** What a retrieve answers. */
export interface Answer {
  readonly contentType: string;
  /** With it who has the answer already is told so (304; If-Match: 412), before it is opened. */
  readonly etag?: string;
  /** What it was chosen by (RFC 9110 12.5.5). */
  readonly vary?: string;
  /** gzip, br; undefined for none. */
  readonly contentEncoding?: string;
  /** Bytes of it in its content coding, where they are known. */
  readonly byteCount?: number;
  /** True where what is opened breaks by itself when it becomes longer or shorter. */
  readonly counted?: boolean;
  /** True where a part of it can be read without the rest (RFC 9110 14): then `byteCount` is known. */
  readonly ranged?: boolean;
  /**
   * Opened before the answer begins, so that what cannot be read has a status.
   * @param part only of what is `ranged`
   */
  open(part?: BytePart): Promise<Readable>;
}

/** Answers of retrieves (PS3.18 10.4): each is a stream, counted and bounded. */
@Injectable()
export class Answers {
  constructor(
    @Inject(Retrieves) private readonly retrieves: Retrieves,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * One answer. It counts until it has been sent, or its client has gone, and what was read for it has been let go.
   * HEAD (RFC 9110 9.3.2; PS3.18 has none) is answered by what is known before a body is opened: nothing is read for it
   * that is thrown away, but of an object that is transcoded the first frame, which decides what it leaves as.
   * @throws {TooManyRetrievesError} {RetrieveEndedError}
   */
  async send(
    request: FastifyRequest,
    reply: FastifyReply,
    prepare: (retrieve: Retrieve) => Promise<Answer>,
    kind?: RetrieveKind,
  ): Promise<void> {
    const retrieve = this.retrieves.begin(kind, askerOf(request));
    onceClosed(reply, () => retrieve.end());
    const workEnded = retrieve.work();
    try {
      const answer = await prepare(retrieve);
      const plan = planAnswer(request, {
        etag: answer.etag,
        byteCount: answer.ranged === true ? answer.byteCount : undefined,
      });
      describe(reply, answer, plan);
      if (plan.status !== 200 && plan.status !== 206) {
        workEnded();
        // Without a body Fastify says of HEAD that it has none, also where GET has one (RFC 9110 8.6).
        return void reply.code(plan.status).send(request.method === 'HEAD' ? Readable.from([]) : undefined);
      }
      const body = request.method === 'HEAD' ? Readable.from([]) : await opened(answer, plan);
      finished(body, (error) => {
        workEnded();
        if (!error || retrieve.signal.aborted) return;
        // The status has been sent: all that is left to do is to cut the connection, which Fastify does.
        if (reply.raw.headersSent) this.logger.error({ err: error }, 'dicomweb.answer-cut');
        else forget(reply);
      });
      onceClosed(reply, () => body.destroy());
      void reply.code(plan.status).type(answer.contentType).send(body);
    } catch (error) {
      forget(reply);
      workEnded();
      // Whatever became of the work then.
      retrieve.signal.throwIfAborted();
      throw error;
    }
  }

  /** One answer of pictures, which are fewer at once. @throws {TooManyRetrievesError} {RetrieveEndedError} */
  sendPictures(
    request: FastifyRequest,
    reply: FastifyReply,
    prepare: (retrieve: Retrieve) => Promise<Answer>,
  ): Promise<void> {
    return this.send(request, reply, prepare, 'pictures');
  }
}

/**
 * Whether what the client has decides the answer (304, 412): then nothing has to be found out to tell it so. `*` means
 * whatever there is, and is asked when it is known that there is something.
 */
export const isDecided = ({ headers }: FastifyRequest, etag: string): boolean =>
  headers['if-none-match']?.trim() !== '*' && evaluate(headers, etag) !== 'send';

/** The answer that is decided so. */
export const decidedAnswer = (contentType: string, etag: string, vary: string): Answer => ({
  contentType,
  etag,
  vary,
  open: () => Promise.resolve(Readable.from([])),
});

function describe(reply: FastifyReply, answer: Answer, plan: AnswerPlan): void {
  const { etag, vary, contentEncoding, byteCount } = answer;
  if (vary !== undefined) void reply.header('vary', vary);
  // Names and all else of a patient: nobody keeps them for others, and nobody shows what has been hidden since.
  if (etag !== undefined) void reply.header('etag', etag).header('cache-control', 'private, no-cache');
  if (plan.status === 304 || plan.status === 412) return;
  if (plan.status === 200 && byteCount !== undefined) void reply.header('content-length', String(byteCount));
  void reply.headers(plan.headers);
  if (plan.status !== 416 && contentEncoding !== undefined) void reply.header('content-encoding', contentEncoding);
}

async function opened(answer: Answer, plan: AnswerPlan): Promise<Readable> {
  const { part } = plan;
  const body = await answer.open(part);
  const byteCount = part ? part.last + 1 - part.first : answer.byteCount;
  return byteCount === undefined || answer.counted === true ? body : exactly(body, byteCount);
}

/** Headers of an answer that is not given. */
const ofTheAnswer = [
  'etag',
  'content-encoding',
  'cache-control',
  'content-length',
  'content-range',
  'accept-ranges',
] as const;

/** An answer is not given: Fastify answers with the error, and has set on the response what is not true of that. */
function forget(reply: FastifyReply): void {
  if (reply.raw.headersSent) return;
  for (const name of ofTheAnswer) {
    reply.removeHeader(name);
    reply.raw.removeHeader(name);
  }
}

/** When the answer has been sent, or the client is gone. */
export function onceClosed({ raw }: FastifyReply, then: () => void): void {
  if (raw.closed) then();
  else raw.once('close', then);
}
