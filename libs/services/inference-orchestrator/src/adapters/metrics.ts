import { metrics } from '@opentelemetry/api';

import type { Job } from '../application/ports.js';

const meter = metrics.getMeter('callosum.inference-orchestrator');
const bounds = { explicitBucketBoundaries: [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 1800] };

const wait = meter.createHistogram('callosum.inference.wait', {
  description: 'Time a job waited for its first worker',
  unit: 's',
  advice: bounds,
});
const run = meter.createHistogram('callosum.inference.run', {
  description: 'Time the attempt took that gave the accepted result',
  unit: 's',
  advice: bounds,
});
const ended = meter.createCounter('callosum.inference.jobs.ended', { description: 'Jobs by model and outcome' });
const failed = meter.createCounter('callosum.inference.attempts.failed', {
  description: 'Attempts without a result, by model and failure',
});
const queued = meter.createObservableGauge('callosum.inference.jobs.queued', {
  description: 'Jobs waiting for a worker, by model',
});

let depths: readonly { readonly modelId: string; readonly count: number }[] = [];
queued.addCallback((result) => {
  for (const { modelId, count } of depths) result.observe(count, { 'callosum.model': modelId });
});

const modelOf = (job: Job) => ({ 'callosum.model': job.manifest.model.modelId });
const secondsSince = (time: Date | undefined): number => (time ? Math.max(0, Date.now() - time.getTime()) / 1000 : 0);

export const jobMetrics = {
  claimed(job: Job): void {
    if (job.attempts === 1) wait.record(secondsSince(job.scheduledAt), modelOf(job));
  },
  completed(job: Job): void {
    run.record(secondsSince(job.attemptStartedAt), modelOf(job));
    ended.add(1, { ...modelOf(job), 'callosum.outcome': 'completed' });
  },
  attemptFailed(job: Job, failure: string): void {
    failed.add(1, { ...modelOf(job), 'callosum.failure': failure });
  },
  failed(job: Job, reason: string): void {
    ended.add(1, { ...modelOf(job), 'callosum.outcome': reason.toLowerCase() });
  },
  depths(now: typeof depths): void {
    depths = now;
  },
};
