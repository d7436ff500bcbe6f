import type { Authenticator } from '@callosum/auth';
import type { Logger } from '@callosum/telemetry';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply } from 'fastify';

import type { ServiceDefinition } from './definition.js';
import { guardHttp } from './http-auth.js';
import { ProblemFilter, refuseUrl } from './http-errors.js';
import { traceHttp } from './http-tracing.js';
import { NestLogger } from './nest-logger.js';
import { PlatformModule } from './platform-module.js';
import { SETTINGS } from './tokens.js';

/** JSON bodies of our own REST calls are small decisions, not documents. */
const jsonBodyBytesMax = 1024 * 1024;

/** Identifiers, of which none is longer. */
const pathParameterCharsMax = 100;

/** The service's Nest application over `values` by token, with its HTTP parsed, traced and guarded; not yet initialized. */
export async function createApplication(
  definition: ServiceDefinition,
  values: ReadonlyMap<symbol, unknown>,
  authenticator: Authenticator,
  logger: Logger,
): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    bodyLimit: jsonBodyBytesMax,
    forceCloseConnections: true,
    routerOptions: {
      maxParamLength: definition.pathParameterCharsMax ?? pathParameterCharsMax,
      // "/dicom-web/wado/?requestType=WADO" is what clients make of a base URL that ends with a slash.
      ignoreTrailingSlash: true,
    },
    frameworkErrors: (_error: unknown, _request: unknown, reply: FastifyReply) =>
      (definition.refuseUrl ?? refuseUrl)(reply),
  });
  const app = await NestFactory.create<NestFastifyApplication>(
    PlatformModule.with(definition.module, values),
    adapter,
    {
      bodyParser: false,
      abortOnError: false,
      logger: new NestLogger(logger),
    },
  );
  const fastify = adapter.getInstance();
  traceHttp(fastify, definition.name);
  definition.configureHttp?.(fastify, values.get(SETTINGS) as never);
  if (!fastify.hasContentTypeParser('application/json')) {
    fastify.addContentTypeParser(
      'application/json',
      { parseAs: 'string' },
      fastify.getDefaultJsonParser('error', 'error'),
    );
  }
  guardHttp(fastify, definition.name, authenticator, logger);
  app.useGlobalFilters(new ProblemFilter(logger));
  return app;
}
