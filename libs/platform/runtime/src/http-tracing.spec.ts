import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import type { Readable } from 'node:stream';

import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  AggregationTemporality,
  type DataPoint,
  type Histogram,
  InMemoryMetricExporter,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { startNodeSdk } from '@opentelemetry/sdk-node';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { fastify } from 'fastify';
import { afterAll, expect, it, vi } from 'vitest';

import { traceHttp } from './http-tracing.js';

const spans = new InMemorySpanExporter();
const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter: metrics });
const sdk = startNodeSdk({
  propagators: [new W3CTraceContextPropagator()],
  spanProcessors: [new SimpleSpanProcessor({ exporter: spans })],
  metricReaders: [reader],
  logRecordProcessors: [],
  instrumentations: [],
});
afterAll(() => sdk.shutdown());

it('goes on with the caller’s trace, and carries nothing else the caller says', async () => {
  const server = fastify();
  traceHttp(server, 'dicomweb');
  server.get('/studies/:study', () => Promise.resolve({}));
  const traceId = 'ab'.repeat(16);
  const headers = {
    traceparent: `00-${traceId}-${'cd'.repeat(8)}-01`,
    tracestate: 'ehr=DOE-4711',
    baggage: 'patient=DOE-4711',
    'user-agent': 'DOE-4711',
  };
  await server.inject({ method: 'GET', url: '/studies/DOE-4711?PatientID=DOE-4711', headers });
  await server.close();
  const [span] = await vi.waitUntil(() => (spans.getFinishedSpans().length > 0 ? spans.getFinishedSpans() : undefined));
  expect(span?.spanContext().traceId).toBe(traceId);
  expect(span?.attributes['http.route']).toBe('/studies/:study');
  expect(span?.spanContext().traceState?.serialize() ?? '').toBe('');
  expect(JSON.stringify([span?.name, span?.attributes, span?.events])).not.toContain('DOE');
});

/** How many requests of a route ended, by status. */
async function endedByStatus(route: string): Promise<Record<string, number>> {
  metrics.reset();
  await reader.forceFlush();
  const points = metrics
    .getMetrics()
    .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics))
    .filter(({ descriptor }) => descriptor.name === 'http.server.request.duration')
    .flatMap(({ dataPoints }) => dataPoints as DataPoint<Histogram>[])
    .filter(({ attributes }) => attributes['http.route'] === route);
  return Object.fromEntries(
    points.map(({ attributes, value }) => [String(attributes['http.response.status_code']), value.count]),
  );
}

it('a request whose body is refused while it comes ended once', async () => {
  spans.reset();
  const server = fastify();
  traceHttp(server, 'fhir-gateway');
  const aborted = new Promise<void>((resolve) =>
    server.addHook('onRequestAbort', (_request, done) => {
      done();
      resolve();
    }),
  );
  // As the FHIR gateway reads bodies: what is left of one that is too long is not read.
  server.addContentTypeParser('application/json', (_request, payload, done) => done(null, payload));
  server.post('/fhir', async (request, reply) => {
    for await (const _chunk of request.body as Readable) break;
    return reply.code(413).header('connection', 'close').send({});
  });
  await server.listen({ host: '127.0.0.1', port: 0 });
  const socket = connect({ host: '127.0.0.1', port: (server.server.address() as AddressInfo).port });
  const head = ['POST /fhir HTTP/1.1', 'host: x', 'content-type: application/json', 'content-length: 1000', '', '{'];
  socket.write(head.join('\r\n'));
  await once(socket, 'data');
  await aborted;
  socket.destroy();
  await server.close();
  expect(await endedByStatus('/fhir')).toEqual({ 413: 1 });
  expect(spans.getFinishedSpans().map(({ attributes }) => attributes['http.response.status_code'])).toEqual([413]);
});
