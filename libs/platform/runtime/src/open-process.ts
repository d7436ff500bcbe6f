import type { IncomingMessage, ServerResponse } from 'node:http';

import { oidcConfig } from '@callosum/auth';
import { isLoopback } from '@callosum/config';
import { fileWriters } from '@callosum/object-store';
import { createLogger, describeError, type Logger, startTelemetry, tellWarnings } from '@callosum/telemetry';

import { Drain } from './drain.js';
import { drainProcess } from './drain-process.js';
import { growHeapInSteps } from './heap-growth.js';
import { serveHttp } from './http-server.js';
import { serveMetrics } from './metrics-server.js';
import type { PlatformSettings } from './settings.js';
import type { RunningService } from './start-service.js';

/** Returns false to leave a request at 404. */
export type PageHandler = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface ProcessOptions {
  /** In log lines; spans name `serviceName`. */
  readonly name: string;
  readonly serviceName: string;
  readonly settings: PlatformSettings;
  /** Whether one of its services receives objects, which are files: what writes them is started with it. */
  readonly writesFiles: boolean;
  /** Whether everything that belongs to the process has started, given the services that have. */
  readonly started: (services: readonly RunningService[]) => boolean;
  /** Makes what answers `/` and whatever no service claims; `metrics` says whether they are on this port. */
  readonly pages?: (services: readonly RunningService[], metrics: boolean) => PageHandler;
  /** What the process owns beside its services; released once they have ended. */
  readonly release?: () => Promise<void>;
}

export interface OpenProcess {
  readonly logger: Logger;
  readonly drain: Drain;
  /** Those that join are served from then on. */
  readonly services: RunningService[];
  /** Port the HTTP server got. */
  readonly httpPort: number;
  /** Drains and ends the process with `code`; asked twice, it ends once. */
  end(code: number): Promise<void>;
}

/** Handles that libraries keep open must not keep a drained process. */
const exitAfterMs = 500;

/** Ends the process with 1. As in every line of a log, a library's message stays out: it may quote data. */
export function endOnUnhandledRejection(name: string): void {
  process.on('unhandledRejection', (reason) => {
    const error = JSON.stringify(describeError(reason));
    process.stderr.write(`${name}: a promise was rejected and nobody looked: ${error}\n`);
    process.exit(1);
  });
}

/**
 * What every process has, whichever services run in it: telemetry, one HTTP port with probes and metrics, and a drain on
 * SIGTERM and SIGINT. @throws {UnauthenticatedBindError} and what a port in use throws
 */
export async function openProcess(options: ProcessOptions): Promise<OpenProcess> {
  const { name, serviceName, settings, writesFiles, started, pages, release } = options;
  growHeapInSteps();
  if (writesFiles) await fileWriters.start();
  const logger = createLogger(name, settings.CALLOSUM_LOG_LEVEL);
  tellWarnings(logger);
  const telemetry = startTelemetry({
    serviceName,
    serviceVersion: '0.1.0',
    site: settings.CALLOSUM_SITE,
    logger,
    ...(settings.OTEL_EXPORTER_OTLP_ENDPOINT ? { otlpEndpoint: settings.OTEL_EXPORTER_OTLP_ENDPOINT } : {}),
  });
  const services: RunningService[] = [];
  const host = settings.CALLOSUM_HTTP_HOST;
  const authenticated = oidcConfig(settings) !== undefined;
  if (authenticated && !isLoopback(host)) logger.warn({}, 'http.tls-is-the-ingress');
  const drain = new Drain(settings.CALLOSUM_DRAIN_GRACE_MS);
  const probed = { services: () => services, started: () => started(services), drain };
  const metrics = await serveMetrics(settings, telemetry, probed);
  const http = await serveHttp({
    authenticated,
    metrics: metrics === undefined,
    host,
    port: settings.CALLOSUM_HTTP_PORT,
    telemetry,
    publicUrl: settings.CALLOSUM_PUBLIC_URL,
    ...probed,
    ...(pages ? { pages: pages(services, metrics === undefined) } : {}),
  });
  let ending: Promise<void> | undefined;
  const end = (code: number): Promise<void> =>
    (ending ??= (async () => {
      await drainProcess({ drain, http, metrics, services, telemetry, logger });
      await release?.();
      process.exitCode = code;
      setTimeout(() => process.exit(code), exitAfterMs).unref();
    })());
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void end(0));
  return { logger, drain, services, httpPort: http.port, end };
}
