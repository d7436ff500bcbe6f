import { context, propagation, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { record, secondsSince } from '@callosum/telemetry';
import type { FastifyInstance, FastifyRequest } from 'fastify';

/** Nobody is left to be answered; nginx' number for it. */
const clientClosedRequest = 499;

/**
 * A server span and a duration per request, continuing the caller's trace. Route templates only: paths and query strings may hold
 * Patient IDs and names.
 */
export function traceHttp(fastify: FastifyInstance, service: string): void {
  const tracer = trace.getTracer(`callosum.${service}`);
  const open = new WeakMap<FastifyRequest, { readonly span: Span; readonly startedAt: number }>();
  /** A request ends once: one that is refused in the middle of its body is answered, and aborted after that. */
  const end = (request: FastifyRequest, status: number, answered: boolean): void => {
    const one = open.get(request);
    if (!one) return;
    open.delete(request);
    if (answered) one.span.setAttribute('http.response.status_code', status);
    if (status >= 500) one.span.setStatus({ code: SpanStatusCode.ERROR });
    one.span.end();
    record('http.server.request.duration', secondsSince(one.startedAt), {
      'callosum.service': service,
      'http.request.method': request.method,
      'http.route': request.routeOptions.url ?? 'unmatched',
      'http.response.status_code': status,
    });
  };
  fastify.addHook('onRequest', (request, _reply, done) => {
    // Neither tracestate nor baggage: both are free text of the caller's, and tracestate leaves with every span.
    const parent = propagation.extract(ROOT_CONTEXT, { traceparent: request.headers['traceparent'] });
    const route = request.routeOptions.url ?? 'unmatched';
    const span = tracer.startSpan(
      `${request.method} ${route}`,
      {
        kind: SpanKind.SERVER,
        attributes: { 'callosum.service': service, 'http.request.method': request.method, 'http.route': route },
      },
      parent,
    );
    open.set(request, { span, startedAt: performance.now() });
    context.with(trace.setSpan(parent, span), done);
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    end(request, reply.statusCode, true);
    done();
  });
  fastify.addHook('onRequestAbort', (request, done) => {
    end(request, clientClosedRequest, false);
    done();
  });
}
