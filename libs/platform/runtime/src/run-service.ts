import { oidcConfig } from '@callosum/auth';
import { isLoopback, parseSettings } from '@callosum/config';
import { errorMessage } from '@callosum/kernel';
import { createLogger, startTelemetry } from '@callosum/telemetry';

import type { ServiceDefinition } from './definition.js';
import { Drain } from './drain.js';
import { drainProcess } from './drain-process.js';
import { serveHttp } from './http-server.js';
import { serveMetrics } from './metrics-server.js';
import { platformSettings } from './settings.js';
import { type RunningService, startService } from './start-service.js';

/**
 * The `main` of every service that runs alone: settings from the environment, one HTTP port with its routes, probes
 * and metrics, and a drain on SIGTERM. Ends the process with 1 when it cannot start.
 */
export async function runService(definition: ServiceDefinition): Promise<void> {
  process.on('unhandledRejection', (reason) => {
    process.stderr.write(`${definition.name}: a promise was rejected and nobody looked: ${errorMessage(reason)}\n`);
    process.exit(1);
  });
  try {
    await start(definition);
  } catch (error) {
    process.stderr.write(`${definition.name}: ${errorMessage(error)}\n`);
    process.exit(1);
  }
}

async function start(definition: ServiceDefinition): Promise<void> {
  const settings = parseSettings(platformSettings, process.env);
  const logger = createLogger(definition.name, settings.CALLOSUM_LOG_LEVEL);
  const telemetry = startTelemetry({
    serviceName: `callosum-${definition.name}`,
    serviceVersion: '0.1.0',
    site: settings.CALLOSUM_SITE,
    ...(settings.OTEL_EXPORTER_OTLP_ENDPOINT ? { otlpEndpoint: settings.OTEL_EXPORTER_OTLP_ENDPOINT } : {}),
  });
  const running: RunningService[] = [];
  const authenticated = oidcConfig(settings) !== undefined;
  if (authenticated && !isLoopback(settings.CALLOSUM_HTTP_HOST)) logger.warn({}, 'http.tls-is-the-ingress');
  const metrics = await serveMetrics(settings, telemetry);
  const drain = new Drain(settings.CALLOSUM_DRAIN_GRACE_MS);
  const http = await serveHttp({
    authenticated,
    metrics: metrics === undefined,
    host: settings.CALLOSUM_HTTP_HOST,
    port: settings.CALLOSUM_HTTP_PORT,
    telemetry,
    publicUrl: settings.CALLOSUM_PUBLIC_URL,
    services: () => running,
    started: () => running.length > 0,
    drain,
  });
  let ending: Promise<void> | undefined;
  const end = (): Promise<void> =>
    (ending ??= (async () => {
      await drainProcess({ drain, http, metrics, services: running, telemetry, logger });
      setTimeout(() => process.exit(0), 500).unref();
    })());
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void end());
  running.push(await startService(definition, process.env, drain));
  logger.info({ httpPort: http.port }, 'ready');
}
