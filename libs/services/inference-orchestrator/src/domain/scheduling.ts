/** A job of one study and model that still counts (not superseded). */
export interface ExistingJob {
  readonly id: string;
  readonly state: 'queued' | 'running' | 'completed' | 'failed';
  readonly modelVersion: string;
  readonly inputDigest: string;
  /** Of a failed one: it could not have been done with this input. Others may fail for what was so at that time only. */
  readonly failedForInput?: boolean;
}

/** Why a job is offered to nobody until it is released. */
export type HeldReason = 'procedure-step-discontinued' | 'procedure-step-wrong-entry';

export type StepStatus = 'in-progress' | 'discontinued' | 'completed';

/** How far a procedure step of a study is, as far as anybody told. */
export interface StepSeen {
  readonly status: StepStatus;
  /**
   * Discontinued since another patient's or procedure's worklist entry had been selected (PS3.16 CID 9300: DCM 110514): what
   * it made may be of another person than the study says.
   */
  readonly isWrongEntry?: boolean;
}

/** What was told of a procedure step. */
export interface StepTold extends StepSeen {
  readonly procedureStepUid: string;
  /** Rises with each change at its modality; 0 where the completion of its study told of it. */
  readonly stepRevision: number;
}

/**
 * Whether jobs on a study wait for a person. A discontinued step may have left half an examination, and a finding on that
 * misleads; one that was completed beside it is the examination done again. Not so where the worklist entry was wrong:
 * the images of somebody else are still in the study, whatever was completed beside them.
 * @param policy of the site
 * @param before why they wait already: steps are forgotten, and nothing is released by that
 */
export function holdFor(
  steps: readonly StepSeen[],
  policy: 'hold' | 'run',
  before: HeldReason | null = null,
): HeldReason | undefined {
  if (policy === 'run') return undefined;
  const has = (status: StepStatus): boolean => steps.some((step) => step.status === status);
  if (before === 'procedure-step-wrong-entry' || steps.some(({ isWrongEntry }) => isWrongEntry))
    return 'procedure-step-wrong-entry';
  if (has('completed')) return undefined;
  return has('discontinued') ? 'procedure-step-discontinued' : (before ?? undefined);
}

export interface SchedulingDecision {
  /** Ids of jobs that a changed input, or a newer version, replaces. */
  readonly supersede: readonly string[];
  /** Ids of failed jobs that a changed input takes out of account: is it as it was again, another one reads it. */
  readonly setAside: readonly string[];
  readonly schedule: boolean;
}

/**
 * One job per study, model and input. An unchanged input schedules none, whatever became of its job; a changed one
 * replaces jobs that have no result yet, those too that failed, unless for their input: that may be as it was again. A job
 * nobody has taken goes to the version that registered last.
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
  const isSetAside = (job: ExistingJob): boolean =>
    job.inputDigest !== inputDigest && job.state === 'failed' && !job.failedForInput;
  const supersede = existing.filter(isOutdated).map(({ id }) => id);
  const setAside = existing.filter(isSetAside).map(({ id }) => id);
  const answered = existing.some((job) => job.inputDigest === inputDigest && !isOutdated(job));
  return { supersede, setAside, schedule: inputDigest !== undefined && !answered };
}
