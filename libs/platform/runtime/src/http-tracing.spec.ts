import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { startNodeSdk } from '@opentelemetry/sdk-node';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { fastify } from 'fastify';
import { afterAll, expect, it, vi } from 'vitest';

import { traceHttp } from './http-tracing.js';

const spans = new InMemorySpanExporter();
const sdk = startNodeSdk({
  propagators: [new W3CTraceContextPropagator()],
  spanProcessors: [new SimpleSpanProcessor({ exporter: spans })],
  metricReaders: [],
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
