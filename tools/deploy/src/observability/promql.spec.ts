import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import {
  count,
  type MetricDefinition,
  metricRegistry,
  type Reading,
  record,
  sampleGauges,
  startTelemetry,
} from '@callosum/telemetry';
import { describe, expect, it } from 'vitest';

import { knownSeries } from './promql.js';

/** Gives every metric of the registry one value, and asks for /metrics as Prometheus does. */
async function scrape(): Promise<string> {
  const telemetry = startTelemetry({ serviceName: 'callosum', serviceVersion: '0', site: 'a' });
  const readings: Reading[] = [];
  for (const [name, metric] of Object.entries<MetricDefinition>(metricRegistry)) {
    const labels = Object.fromEntries(metric.labels.map((label) => [label, 'x']));
    if (metric.kind === 'histogram') record(name as 'callosum.inference.run', 1, labels as never);
    else if (metric.kind === 'gauge') readings.push({ name: name as Reading['name'], value: 1, labels });
    else count(name as 'callosum.events', 1, labels as never);
  }
  const sampler = sampleGauges(
    () => Promise.resolve(readings),
    () => undefined,
  );
  const server = createServer((request, response) => telemetry.handleMetrics(request, response));
  try {
    await sampler.sample();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`);
    return await response.text();
  } finally {
    sampler.close();
    server.close();
    await telemetry.shutdown();
  }
}

describe('the names queries are held against', () => {
  const known = knownSeries([]);
  const ours = [...known.keys()].filter((name) => name !== 'up' && !name.startsWith('kube_'));

  it('are those that /metrics has, with its labels and its bounds of buckets', async () => {
    const lines = (await scrape()).split('\n').filter((line) => line && !line.startsWith('#'));
    const seen = new Map<string, { labels: Set<string>; bounds: Set<string> }>();
    for (const line of lines) {
      const [, name = '', inner = ''] = /^(\w+)(?:\{(.*)\})? \S+/.exec(line) ?? [];
      const one = seen.get(name) ?? { labels: new Set<string>(), bounds: new Set<string>() };
      for (const [, label = '', value = ''] of inner.matchAll(/(\w+)="([^"]*)"/g)) {
        one.labels.add(label);
        if (label === 'le') one.bounds.add(value);
      }
      seen.set(name, one);
    }
    expect(ours.filter((name) => !seen.has(name))).toEqual([]);
    for (const name of ours) {
      const { labels = new Set<string>(), bounds = new Set<string>() } = seen.get(name) ?? {};
      const own = [...labels].filter((label) => !label.startsWith('otel_scope_'));
      expect(
        own.filter((label) => !known.get(name)?.labels.has(label)),
        name,
      ).toEqual([]);
      const told = (known.get(name)?.bounds ?? []).map(String);
      expect(
        [...bounds].filter((bound) => bound !== '+Inf'),
        name,
      ).toEqual(told);
    }
  });
});
