import { errorCode } from '@callosum/kernel';
import { count, type Logger } from '@callosum/telemetry';
import { type CallContext, ServerError, type ServerMiddleware, type ServerMiddlewareCall, Status } from 'nice-grpc';

import { checkCredential, type WorkerIdentity } from '../application/check-credential.js';
import type { Credentials } from '../application/credential-ports.js';
import { CredentialRefusedError } from '../domain/errors.js';
import { service } from '../tokens.js';
import { CredentialWatch } from './credential-watch.js';

/** What a handler's context holds beside nice-grpc's own. */
export interface WorkerContext {
  /** Undefined where workers show no credential. */
  readonly worker: WorkerIdentity | undefined;
}

/** Asks workers for their credential with every call, and ends their calls once it is revoked or has expired. */
export function workerAuth(credentials: Credentials, required: boolean, log: Logger): ServerMiddleware<WorkerContext> {
  const watch = new CredentialWatch(credentials, log);
  return async function* authenticated<Request, Response>(
    call: ServerMiddlewareCall<Request, Response, WorkerContext>,
    context: CallContext,
  ) {
    if (!required) return yield* call.next(call.request, { ...context, worker: undefined });
    const worker = await checkCredential(credentials, context.metadata.get('authorization')).catch((error: unknown) => {
      if (!(error instanceof CredentialRefusedError)) throw error;
      count('callosum.auth.denied', 1, {
        'callosum.service': service,
        'callosum.listener': 'workers',
        'error.type': errorCode(error),
      });
      throw unauthenticated(error);
    });
    const { ended, forget } = watch.follow(worker.credentialId);
    const signal = AbortSignal.any([context.signal, ended]);
    const stream = call.next(call.request, { ...context, signal, worker });
    const revoked = new Promise<never>((_resolve, reject) => {
      ended.addEventListener('abort', () => reject(unauthenticated(new CredentialRefusedError())));
    });
    revoked.catch(() => undefined);
    try {
      for (;;) {
        const step = await Promise.race([stream.next(), revoked]);
        if (step.done) return step.value as Awaited<Response>;
        yield step.value;
      }
    } finally {
      forget();
      // Not waited for: a handler that waits for the worker's next frame ends when the call has.
      stream.return(undefined as never).catch(() => undefined);
    }
  };
}

const unauthenticated = (error: CredentialRefusedError): ServerError =>
  new ServerError(Status.UNAUTHENTICATED, `${error.code}: ${error.message}`);
