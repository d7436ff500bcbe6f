import { CallosumError } from '@callosum/kernel';
import { httpStatusOf, LOGGER } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Inject } from '@nestjs/common';
import type { FastifyReply } from 'fastify';

import { StatusError } from '../../domain/errors/door.js';
import { RetrieveEndedError, TooManyRetrievesError } from '../../domain/errors/retrieve.js';
import { TooManySearchesError } from '../../domain/errors/search.js';
import { TooManyStoresError } from '../../domain/errors/store.js';
import { sendWhole } from './send-whole.js';

/** Errors as PS3.18 8.5 wants them: the status says it, a Warning-like plain text explains it to people. */
@Catch()
export class DicomwebErrorFilter implements ExceptionFilter {
  constructor(@Inject(LOGGER) private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    // Nobody waits for an answer, and nothing failed.
    if (error instanceof RetrieveEndedError) return;
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const status = statusOf(error);
    // So many are let in and no more: nothing is wrong with us, and there may be thousands.
    const isRefusal = this.#warnsOfTooMany(error, status);
    if (!isRefusal && status >= 500) this.logger.error({ err: error, status }, 'dicomweb.failed');
    if (reply.sent) return;
    if (status === 503) void reply.header('retry-after', '5');
    const text =
      error instanceof CallosumError && (status < 500 || isRefusal) ? error.message : 'the request could not be served';
    void sendWhole(reply.code(status).type('text/plain; charset=utf-8'), Buffer.from(`${text}\n`));
  }

  #warnsOfTooMany(error: unknown, status: number): boolean {
    if (error instanceof TooManyRetrievesError) this.logger.warn({ status }, 'dicomweb.too-many-retrieves');
    else if (error instanceof TooManySearchesError) this.logger.warn({ status }, 'dicomweb.too-many-searches');
    else if (error instanceof TooManyStoresError) this.logger.warn({ status }, 'dicomweb.too-many-stores');
    else return false;
    return true;
  }
}

function statusOf(error: unknown): number {
  if (error instanceof StatusError) return error.status;
  if (error instanceof CallosumError) return httpStatusOf[error.kind];
  return error instanceof HttpException ? error.getStatus() : 500;
}
