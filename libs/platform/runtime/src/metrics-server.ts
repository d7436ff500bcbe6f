import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { Telemetry } from '@callosum/telemetry';

import { assertMetricsBind, metricsPort } from './metrics-port.js';
import { answersProbe, type ProbedProcess } from './probes.js';
import { readTarget } from './request-target.js';
import type { PlatformSettings } from './settings.js';

export interface RunningMetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * kubelet opens a connection for each probe and a scraper keeps one. More are somebody who has no business here, and get
 * none of the sockets of those who bring studies.
 */
const connectionsMax = 64;
/** Whoever asks here sends a line and reads a page. */
const slowMs = 10_000;

/**
 * /metrics and the probes on a port of their own, and nothing else; undefined where all stay on the HTTP port. A flood of
 * clients takes every connection that one may have, and must not make kubelet restart a process that is well.
 */
export async function serveMetrics(
  settings: PlatformSettings,
  telemetry: Telemetry,
  probed: ProbedProcess,
): Promise<RunningMetricsServer | undefined> {
  const port = metricsPort(settings);
  assertMetricsBind(settings);
  if (port === undefined) return undefined;
  const limits = { headersTimeout: slowMs, requestTimeout: slowMs, connectionsCheckingInterval: 1_000 };
  const server = createServer(limits, (request, response) => {
    const path = readTarget(request.url ?? '/')?.path.split('?', 1)[0] ?? '/';
    if (path === '/metrics') return telemetry.handleMetrics(request, response);
    if (!answersProbe(path, probed, response)) response.writeHead(404).end();
  });
  server.maxConnections = connectionsMax;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, settings.CALLOSUM_METRICS_HOST, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
