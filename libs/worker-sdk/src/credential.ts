import { isIP } from 'node:net';

import { type ChannelCredentials, type ClientMiddleware, Metadata } from 'nice-grpc';

import { InsecureTargetError } from './errors.js';

/**
 * Sends the credential with every call.
 * @throws InsecureTargetError when it would go to another machine without TLS
 */
export function shows(
  token: string,
  { target, credentials }: { readonly target: string; readonly credentials?: ChannelCredentials },
): ClientMiddleware {
  const encrypted = credentials?._isSecure() ?? target.startsWith('https://');
  if (!encrypted && !isThisMachine(target)) throw new InsecureTargetError();
  return (call, options) =>
    call.next(call.request, {
      ...options,
      metadata: Metadata(options.metadata).set('authorization', `Bearer ${token}`),
    });
}

function isThisMachine(target: string): boolean {
  const host = target
    .replace(/^http:\/\//, '')
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1');
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
