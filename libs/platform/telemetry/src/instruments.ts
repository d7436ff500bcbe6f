import { type Meter, type MeterProvider, metrics } from '@opentelemetry/api';

import {
  type Labels,
  type MetricDefinition,
  type MetricName,
  type MetricOf,
  metricRegistry,
} from './registry/metrics.js';

/** One scope for all: services that share a process share an instrument, and tell themselves apart by a label. */
const scope = 'callosum';

/** Made with the first value, and anew for another provider: a meter asked for before telemetry starts records nothing. */
const made = new WeakMap<MeterProvider, Map<string, unknown>>();

function instrument<T>(name: MetricName, make: (meter: Meter, definition: MetricDefinition) => T): T {
  const provider = metrics.getMeterProvider();
  const instruments = made.get(provider) ?? new Map<string, unknown>();
  made.set(provider, instruments);
  const existing = instruments.get(name);
  if (existing !== undefined) return existing as T;
  const created = make(provider.getMeter(scope), metricRegistry[name]);
  instruments.set(name, created);
  return created;
}

const options = ({ meaning, unit, bounds }: MetricDefinition) => ({
  description: meaning,
  unit,
  ...(bounds ? { advice: { explicitBucketBoundaries: [...bounds] } } : {}),
});

/** Counts `value` of a registered counter, with exactly its labels. */
export function count<N extends MetricOf<'counter' | 'upDownCounter'>>(
  name: N,
  value: number,
  labels: Labels<N>,
): void {
  instrument(name, (meter, definition) =>
    definition.kind === 'counter'
      ? meter.createCounter(name, options(definition))
      : meter.createUpDownCounter(name, options(definition)),
  ).add(value, labels);
}

/** Records a value of a registered histogram, with exactly its labels; durations in seconds. */
export function record<N extends MetricOf<'histogram'>>(name: N, value: number, labels: Labels<N>): void {
  instrument(name, (meter, definition) => meter.createHistogram(name, options(definition))).record(value, labels);
}

export const secondsSince = (startedAtMs: number): number => (performance.now() - startedAtMs) / 1000;

/** One value of a gauge. */
export interface Reading {
  readonly name: MetricOf<'gauge'>;
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
}

/** A reading with exactly the gauge's labels. */
export const reading = <N extends MetricOf<'gauge'>>(name: N, value: number, labels: Labels<N>): Reading => ({
  name,
  value,
  labels,
});

const sources = new Set<() => Iterable<Reading>>();

function observe(name: MetricOf<'gauge'>): void {
  instrument(name, (meter, definition) => {
    const gauge = meter.createObservableGauge(name, options(definition));
    gauge.addCallback((result) => {
      for (const source of sources) {
        for (const one of source()) if (one.name === name) result.observe(one.value, one.labels);
      }
    });
    return gauge;
  });
}

export interface Sampler {
  /** Reads now, beside the usual turn. */
  sample(): Promise<void>;
  close(): void;
}

/** Queries of a gauge are cheap, and nobody alerts on less. */
const sampleEveryMs = 5_000;
/** A database answers a gauge's query sooner, or ends it; a machine that went away may say nothing for many minutes. */
const unansweredMs = 30_000;

/**
 * Reads gauges every five seconds, apart from scrapes: a database that is away must not hold up `/metrics`. What could not
 * be read, or is not there any more, is NaN, which no alert compares with: OpenTelemetry would go on telling the last value.
 * All that one call reads fails together, so what can fail apart has a sampler of its own.
 */
export function sampleGauges(
  read: () => Promise<readonly Reading[]>,
  onError: (error: unknown) => void,
  { everyMs = sampleEveryMs, lateMs = unansweredMs }: { readonly everyMs?: number; readonly lateMs?: number } = {},
): Sampler {
  const known = new Map<string, Reading>();
  let reading: Promise<void> | undefined;
  const source = (): Iterable<Reading> => known.values();
  sources.add(source);
  const forget = (): void => {
    for (const [key, one] of known) known.set(key, { ...one, value: Number.NaN });
  };
  const turn = async (): Promise<void> => {
    const late = setTimeout(forget, lateMs).unref();
    const found = await read().catch((error: unknown): readonly Reading[] => {
      onError(error);
      return [];
    });
    clearTimeout(late);
    forget();
    for (const one of found) {
      known.set(JSON.stringify([one.name, one.labels]), one);
      observe(one.name);
    }
  };
  // One at a time: a slow database gets no second query behind the first.
  const once = (): Promise<void> => (reading ??= turn().finally(() => (reading = undefined)));
  const timer = setInterval(() => void once(), everyMs).unref();
  void once();
  return {
    sample: async () => {
      // One that began before the call may have looked already.
      await reading;
      await once();
    },
    close: () => {
      clearInterval(timer);
      sources.delete(source);
    },
  };
}
