import { metrics } from '@opentelemetry/api';

import type { Job } from '../application/ports.js';

const bounds = { explicitBucketBoundaries: [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 1800] };

let depths: readonly { readonly modelId: string; readonly count: number }[] = [];

/** Made with the first job or model, not when this file is loaded: a meter asked for before telemetry starts records nothing. */
function create() {
  const meter = metrics.getMeter('callosum.inference-orchestrator');
  const queued = meter.createObservableGauge('callosum.inference.jobs.queued', {
    description: 'Jobs waiting for a worker, by model',
  });
  queued.addCallback((result) => {
    for (const { modelId, count } of depths) result.observe(count, { 'callosum.model': modelId });
  });
  return {
    wait: meter.createHistogram('callosum.inference.wait', {
      description: 'Time a job waited for its first worker',
      unit: 's',
      advice: bounds,
    }),
    run: meter.createHistogram('callosum.inference.run', {
      description: 'Time the attempt took that gave the accepted result',
      unit: 's',
      advice: bounds,
    }),
    ended: meter.createCounter('callosum.inference.jobs.ended', { description: 'Jobs by model and outcome' }),
    failed: meter.createCounter('callosum.inference.attempts.failed', {
      description: 'Attempts without a result, by model and failure',
    }),
  };
}

let made: ReturnType<typeof create> | undefined;
const instruments = () => (made ??= create());

const modelOf = (job: Job) => ({ 'callosum.model': job.manifest.model.modelId });
const secondsSince = (time: Date | undefined): number => (time ? Math.max(0, Date.now() - time.getTime()) / 1000 : 0);

export const jobMetrics = {
  claimed(job: Job): void {
    if (job.attempts === 1) instruments().wait.record(secondsSince(job.scheduledAt), modelOf(job));
  },
  completed(job: Job): void {
    instruments().run.record(secondsSince(job.attemptStartedAt), modelOf(job));
    instruments().ended.add(1, { ...modelOf(job), 'callosum.outcome': 'completed' });
  },
  attemptFailed(job: Job, failure: string): void {
    instruments().failed.add(1, { ...modelOf(job), 'callosum.failure': failure });
  },
  failed(job: Job, reason: string): void {
    instruments().ended.add(1, { ...modelOf(job), 'callosum.outcome': reason.toLowerCase() });
  },
  depths(now: typeof depths): void {
    instruments();
    depths = now;
  },
};
