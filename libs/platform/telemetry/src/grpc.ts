import { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { CallosumError, type ErrorKind } from '@callosum/kernel';
import {
  type CallContext,
  type ClientMiddleware,
  Metadata,
  ServerError,
  type ServerMiddleware,
  type ServerMiddlewareCall,
  Status,
} from 'nice-grpc';

import { record, secondsSince } from './instruments.js';

/** The one mapping of our errors to gRPC status codes. */
const statusOf: Record<ErrorKind, Status> = {
  invalid: Status.INVALID_ARGUMENT,
  'not-found': Status.NOT_FOUND,
  conflict: Status.FAILED_PRECONDITION,
  forbidden: Status.PERMISSION_DENIED,
  unavailable: Status.UNAVAILABLE,
  internal: Status.INTERNAL,
};

/** Answers that are the caller's doing, and no error of the server: its span stays without one, as OpenTelemetry's conventions have it. */
const callersFaults: ReadonlySet<Status> = new Set([
  Status.INVALID_ARGUMENT,
  Status.NOT_FOUND,
  Status.ALREADY_EXISTS,
  Status.PERMISSION_DENIED,
  Status.UNAUTHENTICATED,
  Status.FAILED_PRECONDITION,
  Status.ABORTED,
  Status.OUT_OF_RANGE,
]);

/** What is told of calls that were not answered with OK. */
export interface GrpcFailures {
  /** For a reason that is ours. */
  failed(error: unknown, path: string): void;
  /** For one that is the caller's. @param code our error's code, else the status' name; never what the caller sent */
  refused(code: string, path: string): void;
}

/** Continues the caller's trace in a span of the method, and turns our errors into gRPC statuses. */
export function grpcServerMiddleware(service: string, failures: GrpcFailures): ServerMiddleware {
  const tracer = trace.getTracer(`callosum.${service}`);
  return async function* traced<Request, Response>(
    call: ServerMiddlewareCall<Request, Response>,
    callContext: CallContext,
  ) {
    const carrier = { traceparent: callContext.metadata.get('traceparent') ?? '' };
    const parent = propagation.extract(ROOT_CONTEXT, carrier);
    const span = tracer.startSpan(
      call.method.path.slice(1),
      { kind: SpanKind.SERVER, attributes: { 'callosum.service': service, 'rpc.system.name': 'grpc' } },
      parent,
    );
    const active = trace.setSpan(parent, span);
    const startedAt = performance.now();
    let status = Status.OK;
    const stream = call.next(call.request, callContext);
    try {
      // The handler's code runs inside `next()`: each step is taken within the span's context.
      for (;;) {
        const step = await context.with(active, () => stream.next());
        if (step.done) return step.value as Awaited<Response>;
        yield step.value;
      }
    } catch (error) {
      const answer = toServerError(error);
      status = statusIn(answer);
      // The client went away: nobody's error.
      if (!(error instanceof Error && error.name === 'AbortError')) {
        if (callersFaults.has(status)) {
          const code = error instanceof CallosumError ? error.code : (Status[status] ?? String(status));
          failures.refused(code, call.method.path);
        } else {
          span.setStatus({ code: SpanStatusCode.ERROR });
          failures.failed(error, call.method.path);
        }
      }
      throw answer;
    } finally {
      await stream.return(undefined as never);
      span.end();
      record('rpc.server.call.duration', secondsSince(startedAt), {
        'callosum.service': service,
        'rpc.method': call.method.path.slice(1),
        'rpc.response.status_code': Status[status] ?? String(status),
      });
    }
  };
}

function statusIn(error: unknown): Status {
  if (error instanceof ServerError) return error.code;
  return error instanceof Error && error.name === 'AbortError' ? Status.CANCELLED : Status.UNKNOWN;
}

function toServerError(error: unknown): unknown {
  if (error instanceof CallosumError) return new ServerError(statusOf[error.kind], `${error.code}: ${error.message}`);
  return error;
}

/** Sends the active trace along with each call, in a client span. */
export function grpcClientMiddleware(service: string): ClientMiddleware {
  const tracer = trace.getTracer(`callosum.${service}`);
  return async function* traced(call, options) {
    const span = tracer.startSpan(call.method.path.slice(1), {
      kind: SpanKind.CLIENT,
      attributes: { 'callosum.service': service, 'rpc.system.name': 'grpc' },
    });
    const active = trace.setSpan(context.active(), span);
    const carrier: Record<string, string> = {};
    propagation.inject(active, carrier);
    const metadata = Metadata(options.metadata);
    if (carrier['traceparent']) metadata.set('traceparent', carrier['traceparent']);
    try {
      return yield* call.next(call.request, { ...options, metadata });
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  };
}
