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
  const spans = new WeakMap<FastifyRequest, Span>();
  const answered = (request: FastifyRequest, status: number): void =>
    record('http.server.request.duration', secondsSince(startedAt.get(request) ?? performance.now()), {
      'callosum.service': service,
      'http.request.method': request.method,
      'http.route': request.routeOptions.url ?? 'unmatched',
      'http.response.status_code': status,
    });
  const startedAt = new WeakMap<FastifyRequest, number>();
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
    spans.set(request, span);
    startedAt.set(request, performance.now());
    context.with(trace.setSpan(parent, span), done);
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const span = spans.get(request);
    span?.setAttribute('http.response.status_code', reply.statusCode);
    if (reply.statusCode >= 500) span?.setStatus({ code: SpanStatusCode.ERROR });
    span?.end();
    answered(request, reply.statusCode);
    done();
  });
  fastify.addHook('onRequestAbort', (request, done) => {
    spans.get(request)?.end();
    answered(request, clientClosedRequest);
    done();
  });
}
