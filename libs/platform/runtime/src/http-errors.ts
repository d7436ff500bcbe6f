import { CallosumError, type ErrorKind } from '@callosum/kernel';
import type { Logger } from '@callosum/telemetry';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import type { FastifyReply } from 'fastify';

/** The one mapping of our errors to HTTP status codes (RFC 9110). */
export const httpStatusOf: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  unavailable: 503,
  internal: 500,
};

/** Answers a request whose URL cannot be decoded. */
export function refuseUrl(reply: FastifyReply): void {
  void reply
    .code(400)
    .type('application/problem+json')
    .send({ type: 'urn:callosum:http.400', title: 'http.400', status: 400, detail: 'the URL cannot be decoded' });
}

/**
 * Answers `application/problem+json` (RFC 9457). Services whose standard has its own error body (FHIR, DICOMweb)
 * put a filter of their own on their controllers, which goes first. An unknown error tells the caller nothing.
 */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const { status, code, detail } = this.describe(error);
    if (status >= 500) this.logger.error({ err: error, code, status }, 'http.failed');
    if (reply.sent) return;
    if (status === 503) void reply.header('retry-after', '5');
    void reply
      .code(status)
      .type('application/problem+json')
      .send({ type: `urn:callosum:${code}`, title: code, status, detail });
  }

  private describe(error: unknown): { status: number; code: string; detail: string } {
    if (error instanceof CallosumError) {
      return { status: httpStatusOf[error.kind], code: error.code, detail: error.message };
    }
    if (error instanceof HttpException) {
      return { status: error.getStatus(), code: `http.${error.getStatus()}`, detail: error.message };
    }
    const status = (error as { statusCode?: unknown } | null)?.statusCode;
    if (typeof status === 'number' && status >= 400 && status < 500) {
      return { status, code: `http.${status}`, detail: 'the request was refused' };
    }
    return { status: 500, code: 'internal', detail: 'an internal error; it was logged' };
  }
}
