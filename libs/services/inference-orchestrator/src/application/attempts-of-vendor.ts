import { StaleFencingTokenError } from '../domain/errors.js';
import type { Attempts, HeldJob, Job } from './ports.js';

/**
 * The jobs of one vendor's models: those of others are not there. A job id with its small fencing token is no secret,
 * and behind it lie a patient's images. Leases need no look at the vendor: they go by the worker's own instance id.
 * @param vendor undefined where workers show no credential
 */
export function attemptsOfVendor(attempts: Attempts, vendor: string | undefined): Attempts {
  if (vendor === undefined) return attempts;
  const isTheirs = (job: Job | undefined): job is Job => job?.manifest.model.vendor === vendor;
  const held = async (asked: HeldJob): Promise<Job> => {
    const job = await attempts.held(asked);
    if (!isTheirs(job)) throw new StaleFencingTokenError(asked.jobId);
    return job;
  };
  const find = async (jobId: string): Promise<Job | undefined> => {
    const job = await attempts.find(jobId);
    return isTheirs(job) ? job : undefined;
  };
  return {
    held,
    find,
    claim: (manifest, workerInstanceId) => attempts.claim(manifest, workerInstanceId),
    renew: (workerInstanceId, jobs) => attempts.renew(workerInstanceId, jobs),
    remainingMs: async (asked) => ((await find(asked.jobId)) ? attempts.remainingMs(asked) : 0),
    running: (jobs) => attempts.running(jobs),
    due: (manifests) => attempts.due(manifests),
    progress: async (asked, fraction, stage) => {
      await held(asked);
      return attempts.progress(asked, fraction, stage);
    },
    complete: (job, accepted) => attempts.complete(job, accepted),
    fail: async (asked, failure, detail) => {
      await held(asked);
      return attempts.fail(asked, failure, detail);
    },
    expired: async () => {
      const expired = await attempts.expired();
      const found = await Promise.all(expired.map(({ jobId }) => find(jobId)));
      return expired.filter((_one, at) => found[at] !== undefined);
    },
  };
}
