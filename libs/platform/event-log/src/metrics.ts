import { metrics } from '@opentelemetry/api';

import type { LogEvent } from './event.js';

export interface ConsumerMetrics {
  count(event: LogEvent, outcome: 'handled' | 'retried' | 'parked'): void;
}

/** Made when a consumer starts, not when this file is loaded: meters do not wait for telemetry to start. */
export function consumerMetrics(group: string): ConsumerMetrics {
  const meter = metrics.getMeter('@callosum/event-log');
  const events = meter.createCounter('callosum.events', {
    description: 'Events by what became of one attempt to handle them',
  });
  const age = meter.createHistogram('callosum.events.age', {
    unit: 's',
    description: 'From the fact to the end of its handling: the lag of a consumer as people feel it',
    advice: { explicitBucketBoundaries: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600] },
  });
  return {
    count: (event, outcome) => {
      const labels = { 'callosum.topic': event.topic, 'callosum.group': group };
      events.add(1, { ...labels, 'callosum.outcome': outcome });
      if (outcome === 'handled') age.record(Math.max(0, Date.now() - event.time.getTime()) / 1000, labels);
    },
  };
}
