import { isLoopback } from '@callosum/config';
import { ServerCredentials, ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js';
import { type CallContext, ServerError, type ServerMiddleware, type ServerMiddlewareCall, Status } from 'nice-grpc';

import type { Authenticator } from '../authenticator.js';
import { AccessDeniedError, UnauthenticatedError } from '../errors.js';
import { local, type Principal } from '../principal.js';
import { type Caller, holds, isCaller, rolesOfService } from '../roles.js';
import { tlsServerCredentials } from '../tls-files.js';
import { methods } from './methods.js';

/** What the handler's context holds beside nice-grpc's own. */
export interface PrincipalContext {
  readonly principal: Principal;
}

/** Set by us from the peer's certificate; what a client sends under this name is removed. */
const peerHeader = 'callosum-peer-san';

/** Whether whoever can reach this address is a user of this machine: a socket's file modes say who may open it. */
export const isUnixSocket = (address: string): boolean => address.startsWith('unix:');

/** True when the internal gRPC server may listen here: on loopback, on a socket, or with authentication. */
export function internalBindProtected(authenticator: Authenticator, address: string): boolean {
  return isUnixSocket(address) || authenticator.internal.mode !== 'none' || isLoopback(address.replace(/:\d+$/, ''));
}

/** Credentials of the internal gRPC server on this address. */
export function internalServerCredentials(
  { internal, certificateRefreshMs }: Authenticator,
  address: string,
): ServerCredentials {
  if (isUnixSocket(address) || internal.mode === 'none') return ServerCredentials.createInsecure();
  if (!internal.tls) return ServerCredentials.createInsecure();
  const { certFile, keyFile } = internal.tls;
  return tlsServerCredentials(internal.mode === 'mtls' ? internal.tls : { certFile, keyFile }, certificateRefreshMs);
}

/** Hands the names in the peer's certificate to the middleware, which sees no connection. */
export const peerInterceptor: ServerInterceptor = (_method, call) =>
  new ServerInterceptingCall(call, {
    start: (next) =>
      next({
        onReceiveMetadata: (metadata, pass) => {
          metadata.remove(peerHeader);
          const names = call.getAuthContext().sslPeerCertificate?.subjectaltname;
          if (names) metadata.set(peerHeader, names);
          pass(metadata);
        },
      }),
  });

/**
 * Lets a call pass when its caller is known and may call the method. Sockets of this machine are exempt: they lie in a
 * folder only the owner of the data can enter, so whoever opens one could read the data itself.
 */
export function authorizeGrpc(
  authenticator: Authenticator,
  address: string,
  onDenied: (code: string, path: string) => void,
): ServerMiddleware<PrincipalContext> {
  const open = isUnixSocket(address) || authenticator.internal.mode === 'none';
  return async function* authorized<Request, Response>(
    call: ServerMiddlewareCall<Request, Response, PrincipalContext>,
    context: CallContext,
  ) {
    if (open) return yield* call.next(call.request, { ...context, principal: local });
    const { path } = call.method;
    let principal: Principal;
    try {
      principal = await whoCalls(authenticator, context);
      assertMayCall(principal, path, authenticator.service);
    } catch (error) {
      onDenied(
        error instanceof UnauthenticatedError || error instanceof AccessDeniedError ? error.code : 'unknown',
        path,
      );
      if (error instanceof UnauthenticatedError)
        throw new ServerError(Status.UNAUTHENTICATED, `${error.code}: ${error.message}`);
      throw error;
    }
    return yield* call.next(call.request, { ...context, principal });
  };
}

async function whoCalls(authenticator: Authenticator, { metadata }: CallContext): Promise<Principal> {
  const authorization = metadata.get('authorization');
  if (authenticator.internal.mode === 'mtls') {
    const service = serviceIn(metadata.get(peerHeader) ?? '', authenticator.internal.trustDomain);
    if (!service) throw new UnauthenticatedError('unknown-peer');
    // The command line tool may bring the token of the person who uses it; then that says what it may. In the service's
    // own pod it has the service's certificate.
    const isTool = service === 'cli' || service === authenticator.service;
    if (isTool && authorization !== undefined) return authenticator.bearer(authorization);
    return { kind: 'service', subject: service, roles: new Set(rolesOfService[service] ?? []) };
  }
  return authenticator.bearer(authorization);
}

/** The service a certificate names: exactly one URI of our trust domain. */
export function serviceIn(subjectAltName: string, trustDomain: string): Caller | undefined {
  const prefix = `URI:spiffe://${trustDomain}/`;
  const names = subjectAltName.split(', ').filter((name) => name.startsWith(prefix));
  const name = names[0]?.slice(prefix.length);
  return names.length === 1 && name !== undefined && isCaller(name) ? name : undefined;
}

/**
 * Who holds the service's own key is in its pod, where its database's password lies too: what the command line may there
 * is no more than that.
 * @throws {AccessDeniedError}
 */
function assertMayCall(principal: Principal, path: string, self: Caller): void {
  const access = methods[path];
  if (!access) throw new AccessDeniedError([]);
  const may =
    principal.kind === 'service'
      ? access.services.some((service) => service === (principal.subject === self ? 'cli' : principal.subject))
      : access.roles !== undefined && holds(principal.roles, access.roles);
  if (!may) throw new AccessDeniedError(access.roles ?? []);
}
