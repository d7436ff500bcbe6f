import type { IncomingMessage, ServerResponse } from 'node:http';

import { diag, metrics, propagation, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { startNodeSdk } from '@opentelemetry/sdk-node';
import { BatchSpanProcessor, NoopSpanProcessor } from '@opentelemetry/sdk-trace';

import type { Logger } from './logger.js';
import { tellDiagnostics } from './warnings.js';

export interface TelemetryOptions {
  /** `service.name` of the process: a service, or "callosum" when all run in one. */
  readonly serviceName: string;
  readonly serviceVersion: string;
  readonly site: string;
  /** Base URL of an OTLP/HTTP collector; spans are not exported without it, but ids are made and carried. */
  readonly otlpEndpoint?: string;
  /** Hears of what OpenTelemetry could not do. */
  readonly logger?: Logger;
}

export interface Telemetry {
  /** Answers with the process's metrics in Prometheus text format. */
  handleMetrics(request: IncomingMessage, response: ServerResponse): void;
  /** Exports what is waiting, then stops. */
  shutdown(): Promise<void>;
}

/** Spans wait at most this long before they are sent: a killed process loses no more than that. */
const exportDelayMs = 500;

/** Starts OpenTelemetry for the process. Once a process: the API's providers are global. */
export function startTelemetry(options: TelemetryOptions): Telemetry {
  const prometheus = new PrometheusExporter({ preventServerStart: true });
  const processor = options.otlpEndpoint
    ? new BatchSpanProcessor({
        exporter: new OTLPTraceExporter({ url: `${options.otlpEndpoint.replace(/\/$/, '')}/v1/traces` }),
        scheduledDelayMillis: exportDelayMs,
      })
    : new NoopSpanProcessor();
  const sdk = startNodeSdk({
    resourceAttributes: {
      'service.name': options.serviceName,
      'service.version': options.serviceVersion,
      'service.namespace': 'callosum',
      'callosum.site': options.site,
    },
    propagators: [new W3CTraceContextPropagator()],
    spanProcessors: [processor],
    metricReaders: [prometheus],
    logRecordProcessors: [],
    instrumentations: [],
  });
  // The SDK sets its own when it starts.
  if (options.logger) tellDiagnostics(options.logger);
  const known = resourceKnown(prometheus);
  return {
    handleMetrics: (request, response) => void known.then(() => prometheus.getMetricsRequestHandler(request, response)),
    shutdown: async () => {
      await sdk.shutdown();
      trace.disable();
      metrics.disable();
      propagation.disable();
    },
  };
}

/**
 * The host's id is looked up, and of all exporters that of Prometheus alone does not wait for it: it left the id out, and
 * complained of that at each scrape. Nothing is measured yet when this reads.
 */
async function resourceKnown(prometheus: PrometheusExporter): Promise<void> {
  try {
    const { resourceMetrics } = await prometheus.collect();
    await resourceMetrics.resource.waitForAsyncAttributes?.();
  } catch (error) {
    diag.error('the resource is not known', error);
  }
}
