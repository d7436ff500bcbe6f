import { type Authenticator, authorizeGrpc, internalServerCredentials, peerInterceptor } from '@callosum/auth';
import { operations } from '@callosum/contracts';
import { count, grpcServerMiddleware, type Logger } from '@callosum/telemetry';
import type { INestApplication } from '@nestjs/common';
import { type ChannelOptions, createServer, type Server } from 'nice-grpc';

import type { ServiceDefinition } from './definition.js';
import type { ParkedGrpc } from './parked-service.js';
import type { PlatformSettings } from './settings.js';

/** Starts the gRPC server between services: what the service itself answers, and its parked work. */
export async function startInternalGrpc(
  definition: ServiceDefinition,
  app: INestApplication,
  parked: ParkedGrpc,
  settings: PlatformSettings,
  authenticator: Authenticator,
  logger: Logger,
): Promise<{ server: Server; address: string }> {
  const bind = settings.CALLOSUM_INTERNAL_GRPC;
  const onError = (err: unknown, path: string): void => logger.warn({ err, path }, 'grpc.failed');
  const onDenied = (code: string, path: string): void => {
    const labels = { 'callosum.service': definition.name, 'callosum.listener': 'internal', 'error.type': code };
    count('callosum.auth.denied', 1, labels);
    logger.warn({ code, path }, 'grpc.denied');
  };
  const server = createServer({ interceptors: [peerInterceptor] } as ChannelOptions)
    .use(grpcServerMiddleware(definition.name, onError))
    .use(authorizeGrpc(authenticator, bind, onDenied));
  server.add(operations.ParkedServiceDefinition, parked);
  for (const { definition: grpc, implementation } of definition.grpc?.(app) ?? []) {
    server.add(grpc, implementation as never);
  }
  const port = await server.listen(bind, internalServerCredentials(authenticator, bind));
  return { server, address: bind.startsWith('unix:') ? bind : bind.replace(/:\d+$/, `:${port}`) };
}
