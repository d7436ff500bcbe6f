import { errorOutcome } from '@callosum/fhir';
import { All, Controller, Inject, Req, Res } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { FhirHttp } from './fhir-http.js';

/** Bodies stay streams: FhirHttp decides by their type and reads them under its own limit. */
export function configureFhirHttp(fastify: FastifyInstance): void {
  fastify.addContentTypeParser(['application/json', 'application/fhir+json', '*'], (_request, payload, done) =>
    done(null, payload),
  );
}

const fhirJson = 'application/fhir+json; charset=utf-8';

/** A URL that cannot be decoded reaches no controller; its answer is an OperationOutcome all the same. */
export function refuseFhirUrl(reply: FastifyReply): void {
  const body = errorOutcome('invalid', 'the URL cannot be decoded');
  void reply.code(400).type(fhirJson).send(JSON.stringify(body));
}

@Controller('fhir')
export class FhirController {
  constructor(@Inject(FhirHttp) private readonly http: FhirHttp) {}

  @All(['', '*'])
  async handle(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const response = await this.http.handle({
      method: request.method,
      url: request.url.replace(/^\/fhir\/?/, ''),
      headers: request.headers,
      body: request.raw,
    });
    void reply.code(response.status).headers(response.headers);
    if (response.body === undefined) return void reply.send();
    void reply.type(fhirJson).send(JSON.stringify(response.body));
  }
}
