import { type Context, context, propagation, ROOT_CONTEXT, trace, type TextMapSetter } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { startNodeSdk } from '@opentelemetry/sdk-node';
import { BatchSpanProcessor, NoopSpanProcessor } from '@opentelemetry/sdk-trace';

export interface WorkerTelemetryOptions {
  /** `service.name` of the worker. */
  readonly serviceName: string;
  readonly serviceVersion: string;
  /** Base URL of an OTLP/HTTP collector; OTEL_EXPORTER_OTLP_ENDPOINT unless given; without either nothing is sent. */
  readonly otlpEndpoint?: string;
}

/** A killed worker loses no more than this of its trace. */
const exportDelayMs = 500;

/**
 * Starts OpenTelemetry for the worker's process: each job becomes a span within the trace of its study. Once a
 * process, and only when the process has no OpenTelemetry of its own: the SDK uses whatever is registered.
 */
export function startWorkerTelemetry(options: WorkerTelemetryOptions): { shutdown(): Promise<void> } {
  const endpoint = options.otlpEndpoint ?? process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  const processor = endpoint
    ? new BatchSpanProcessor({
        exporter: new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces` }),
        scheduledDelayMillis: exportDelayMs,
      })
    : new NoopSpanProcessor();
  const sdk = startNodeSdk({
    resourceAttributes: {
      'service.name': options.serviceName,
      'service.version': options.serviceVersion,
      'service.namespace': 'callosum',
    },
    propagators: [new W3CTraceContextPropagator()],
    spanProcessors: [processor],
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [],
  });
  return {
    shutdown: async () => {
      await sdk.shutdown();
      trace.disable();
      context.disable();
      propagation.disable();
    },
  };
}

/** The protocol speaks W3C trace context whatever propagator the process has registered. */
const propagator = new W3CTraceContextPropagator();
const setter: TextMapSetter<Record<string, string>> = {
  set: (carrier, key, value) => {
    carrier[key] = value;
  },
};

/** A context whose parent is the given traceparent; the root context when there is none or it is malformed. */
export function contextOf(traceparent: string): Context {
  return propagator.extract(
    ROOT_CONTEXT,
    { traceparent },
    { get: (c, key) => c[key as 'traceparent'], keys: () => [] },
  );
}

/** The span's context as W3C traceparent; undefined outside any trace. */
export function traceparentOf(active: Context): string | undefined {
  const carrier: Record<string, string> = {};
  propagator.inject(active, carrier, setter);
  return carrier['traceparent'];
}

export const tracer = (): ReturnType<typeof trace.getTracer> => trace.getTracer('callosum.worker-sdk');
