import {
  AggregationTemporality,
  InMemoryMetricExporter,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { startNodeSdk } from '@opentelemetry/sdk-node';
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace';

export interface Point {
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Of a histogram it is no number. */
  readonly value: unknown;
}

export interface Gauges {
  /** What was measured under a name until now, by its labels. */
  points(name: string): Promise<Point[]>;
  /** The sum over all labels. */
  sum(name: string): Promise<number>;
  /** Operations that were answered 0110 for a defect of ours, by the names of their spans. */
  readonly defects: readonly string[];
  stop(): Promise<void>;
}

/** Keeps what this process measures. Call it before anything is measured: instruments made earlier measure nothing. */
export function startGauges(): Gauges {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter });
  const defects: string[] = [];
  const sdk = startNodeSdk({
    metricReaders: [reader],
    spanProcessors: [onlyDefects(defects)],
    logRecordProcessors: [],
    instrumentations: [],
  });
  const points = async (name: string): Promise<Point[]> => {
    exporter.reset();
    await reader.forceFlush();
    return exporter
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
      .filter(({ descriptor }) => descriptor.name === name)
      .flatMap(({ dataPoints }) => dataPoints.map(({ attributes, value }) => ({ attributes, value })));
  };
  return {
    points,
    defects,
    sum: async (name) => (await points(name)).reduce((sum, { value }) => sum + Number(value), 0),
    stop: () => sdk.shutdown(),
  };
}

/** Keeps no other span: a million requests have as many. */
const onlyDefects = (defects: string[]): SpanProcessor => ({
  onStart: () => undefined,
  onEnd: ({ name, attributes, status }: ReadableSpan) => {
    if (attributes['dicom.status'] === '0110' && status.message === 'internal') defects.push(name);
  },
  forceFlush: () => Promise.resolve(),
  shutdown: () => Promise.resolve(),
});
