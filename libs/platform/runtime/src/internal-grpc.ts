import { type Authenticator, authorizeGrpc, internalServerCredentials, peerInterceptor } from '@callosum/auth';
import { count, grpcServerMiddleware, type Logger } from '@callosum/telemetry';
import { type ChannelOptions, createServer, type Server } from 'nice-grpc';

import type { GrpcBinding } from './definition.js';
import type { PlatformSettings } from './settings.js';

/** Starts the gRPC server between services. */
export async function startInternalGrpc(
  service: string,
  bindings: readonly GrpcBinding[],
  settings: PlatformSettings,
  authenticator: Authenticator,
  logger: Logger,
): Promise<{ server: Server; address: string }> {
  const bind = settings.CALLOSUM_INTERNAL_GRPC;
  const failures = {
    failed: (err: unknown, path: string): void => logger.warn({ err, path }, 'grpc.failed'),
    refused: (code: string, path: string): void => logger.info({ code, path }, 'grpc.refused'),
  };
  const onDenied = (code: string, path: string): void => {
    const labels = { 'callosum.service': service, 'callosum.listener': 'internal', 'error.type': code };
    count('callosum.auth.denied', 1, labels);
    logger.warn({ code, path }, 'grpc.denied');
  };
  const server = createServer({ interceptors: [peerInterceptor] } as ChannelOptions)
    .use(grpcServerMiddleware(service, failures))
    .use(authorizeGrpc(authenticator, bind, onDenied));
  for (const { definition, implementation } of bindings) server.add(definition, implementation as never);
  const port = await server.listen(bind, internalServerCredentials(authenticator, bind));
  return { server, address: bind.startsWith('unix:') ? bind : bind.replace(/:\d+$/, `:${port}`) };
}
