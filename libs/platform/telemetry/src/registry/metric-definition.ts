import type { AttributeName } from './attributes.js';

export interface MetricDefinition {
  /** A gauge is read now and then, not at each scrape. */
  readonly kind: 'counter' | 'upDownCounter' | 'histogram' | 'gauge';
  /** UCUM, as OpenTelemetry writes it. Time is in seconds. */
  readonly unit: 's' | 'By' | `{${string}}`;
  readonly labels: readonly AttributeName[];
  readonly meaning: string;
  /** Upper bounds of a histogram's buckets. */
  readonly bounds?: readonly number[];
}

/** A request somebody waits for. */
export const requestBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Handling of what came through the log. */
export const eventBounds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600];
/** A model, and all that waits for one. */
export const jobBounds = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 1800];
/** A study's way: from seconds to the days a person may take. */
export const studyBounds = [1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14_400, 86_400];
