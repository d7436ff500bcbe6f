/** A job of one study and model that still counts (not superseded). */
export interface ExistingJob {
  readonly id: string;
  readonly state: 'queued' | 'running' | 'completed' | 'failed';
  readonly modelVersion: string;
  readonly inputDigest: string;
}

export interface SchedulingDecision {
  /** Ids of jobs that a changed input, or a newer version, replaces. */
  readonly supersede: readonly string[];
  readonly schedule: boolean;
}

/**
 * One job per study, model and input. An unchanged input schedules none, whatever became of its job; a changed one
 * replaces jobs that have no result yet. A job nobody has taken goes to the version that registered last.
 * @param inputDigest of what the model would read now; undefined when no series matches any more
 */
export function decideJobs(
  existing: readonly ExistingJob[],
  inputDigest: string | undefined,
  modelVersion: string,
): SchedulingDecision {
  const isOutdated = (job: ExistingJob): boolean =>
    job.inputDigest !== inputDigest
      ? job.state === 'queued' || job.state === 'running'
      : job.state === 'queued' && job.modelVersion !== modelVersion;
  const supersede = existing.filter(isOutdated).map(({ id }) => id);
  const answered = existing.some((job) => job.inputDigest === inputDigest && !isOutdated(job));
  return { supersede, schedule: inputDigest !== undefined && !answered };
}
