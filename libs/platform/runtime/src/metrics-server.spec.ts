import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';

import type { Telemetry } from '@callosum/telemetry';
import { afterEach, describe, expect, it } from 'vitest';

import { Drain } from './drain.js';
import { serveHttp } from './http-server.js';
import { serveMetrics } from './metrics-server.js';
import { platformSettings } from './settings.js';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const telemetry: Telemetry = {
  handleMetrics: (_request, response) => response.end('callosum_up 1\n'),
  shutdown: () => Promise.resolve(),
};

/** A process as the chart starts it: HTTP, and metrics with probes on a port of their own. */
async function start(connectionsMax: number) {
  const drain = new Drain(1_000);
  const probed = { services: () => [], started: () => true, drain };
  const settings = platformSettings.parse({ CALLOSUM_METRICS_PORT: '0' });
  const http = await serveHttp({
    ...probed,
    host: '127.0.0.1',
    port: 0,
    telemetry,
    publicUrl: 'https://callosum.example',
    authenticated: true,
    metrics: false,
    limits: { connectionsMax },
  });
  closing.push(() => http.close());
  const metrics = await serveMetrics(settings, telemetry, probed);
  if (!metrics) throw new Error('the metrics have no port of their own');
  closing.push(() => metrics.close());
  return { http: http.port, metrics: metrics.port, drain };
}

const ask = (port: number, path: string): Promise<number | undefined> =>
  fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } }).then(
    ({ status }) => status,
    () => undefined,
  );

/** Connections that say nothing, as many as are given. */
async function hold(port: number, count: number): Promise<void> {
  const sockets = Array.from({ length: count }, () => connect({ port, host: '127.0.0.1' }));
  closing.push(() => sockets.forEach((socket) => socket.destroy()));
  await Promise.all(
    sockets.map((socket) =>
      once(
        socket.on('error', () => undefined),
        'connect',
      ),
    ),
  );
}

describe('probes on the metrics port', () => {
  it('answer while clients hold every connection the HTTP port gives, which that port’s own do not', async () => {
    const { http, metrics } = await start(20);
    await hold(http, 20);
    expect(await ask(http, '/healthz')).toBeUndefined();
    for (const path of ['/healthz', '/readyz', '/metrics']) expect(await ask(metrics, path), path).toBe(200);
  });

  it('are found by a target in absolute form (RFC 9112 3.2.2)', async () => {
    const { metrics } = await start(20);
    const socket = connect({ port: metrics, host: '127.0.0.1' });
    socket.write('GET http://localhost/healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n');
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('are the same as on the HTTP port, also at the end', async () => {
    const { http, metrics, drain } = await start(20);
    for (const port of [http, metrics])
      expect([await ask(port, '/healthz'), await ask(port, '/readyz')]).toEqual([200, 200]);
    drain.begin();
    for (const port of [http, metrics])
      expect([await ask(port, '/healthz'), await ask(port, '/readyz')]).toEqual([200, 503]);
  });

  it('come with nothing else, and with few connections', async () => {
    const { http, metrics } = await start(20);
    expect(await ask(metrics, '/dicom-web/studies')).toBe(404);
    await hold(metrics, 64);
    expect(await ask(metrics, '/healthz')).toBeUndefined();
    // Who floods it takes nothing from anybody else.
    expect(await ask(http, '/healthz')).toBe(200);
  });
});
