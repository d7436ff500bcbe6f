import { count, record } from '@callosum/telemetry';

import type { Job } from '../application/ports.js';

const modelOf = (job: Job) => ({ 'callosum.model': job.manifest.model.modelId });
const secondsFrom = (time: Date | undefined): number => (time ? Math.max(0, Date.now() - time.getTime()) / 1000 : 0);

export const jobMetrics = {
  claimed(job: Job): void {
    if (job.fencingToken === 1n) record('callosum.inference.wait', secondsFrom(job.scheduledAt), modelOf(job));
  },
  completed(job: Job): void {
    record('callosum.inference.run', secondsFrom(job.attemptStartedAt), modelOf(job));
    count('callosum.inference.jobs.ended', 1, { ...modelOf(job), 'callosum.outcome': 'completed' });
  },
  attemptFailed(job: Job, failure: string): void {
    count('callosum.inference.attempts.failed', 1, { ...modelOf(job), 'callosum.failure': failure });
  },
  failed(job: Job, reason: string): void {
    count('callosum.inference.jobs.ended', 1, { ...modelOf(job), 'callosum.outcome': reason.toLowerCase() });
  },
};
