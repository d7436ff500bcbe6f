import { ChannelCredentials, experimental } from '@grpc/grpc-js';
import { type ClientMiddleware, Metadata } from 'nice-grpc';

import type { Authenticator } from '../authenticator.js';
import type { Caller } from '../roles.js';
import { watched } from '../tls-files.js';
import { isUnixSocket } from './server.js';

/** Credentials of a channel to another service's internal gRPC server. */
export function internalChannelCredentials(
  { internal, certificateRefreshMs }: Authenticator,
  address: string,
): ChannelCredentials {
  if (isUnixSocket(address) || internal.mode === 'none' || !internal.tls) return ChannelCredentials.createInsecure();
  if (internal.mode === 'mtls') {
    const files = watched(internal.tls, certificateRefreshMs);
    return experimental.createCertificateProviderChannelCredentials(files, files);
  }
  return experimental.createCertificateProviderChannelCredentials(
    watched({ caFile: internal.tls.caFile }, certificateRefreshMs),
    null,
  );
}

/**
 * Shows who we are with each call where tokens do that.
 * @param bearer a person's own token instead (the command line tool)
 */
export function provesItself(authenticator: Authenticator, to: Caller, bearer?: string): ClientMiddleware {
  return async function* proven(call, options) {
    const token = bearer ?? (await authenticator.grpcToken(to));
    if (token === undefined) return yield* call.next(call.request, options);
    const metadata = Metadata(options.metadata).set('authorization', `Bearer ${token}`);
    return yield* call.next(call.request, { ...options, metadata });
  };
}
