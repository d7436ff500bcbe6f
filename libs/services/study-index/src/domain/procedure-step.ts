/** What a modality said of one procedure step (PS3.4 F.7), as far as completeness goes. */
export interface ProcedureStep {
  readonly procedureStepUid: string;
  /** Rises with each change at its modality. */
  readonly stepRevision: number;
  readonly status: StepStatus;
  /** Series of all studies of the step. */
  readonly series: readonly StatedSeries[];
  /** How many studies the step names; above 1 its series need not be of this one. */
  readonly studyCount: number;
  readonly discontinuationReason: StepReason | undefined;
  readonly source: string;
  readonly changedAt: Date;
}

export type StepStatus = 'in-progress' | 'discontinued' | 'completed';

export interface StatedSeries {
  readonly seriesInstanceUid: string;
  /** Distinct instances that the step references. */
  readonly instanceCount: number;
  /** Digest of their UIDs: two steps with the same one speak of the same instances. */
  readonly instancesDigest: string;
}

/** A code without its meaning. */
export interface StepReason {
  readonly value: string;
  readonly scheme: string;
}

export const isFinal = ({ status }: Pick<ProcedureStep, 'status'>): boolean => status !== 'in-progress';

/**
 * Whether what is told now of a step takes the place of what is known: the later word does, and a step that ended is
 * never in progress again (F.7.2.2.3). So facts in any order, and more than once, end in the same.
 */
export function supersedes(told: ProcedureStep, known: ProcedureStep | undefined): boolean {
  if (!known) return true;
  if (isFinal(known) !== isFinal(told)) return isFinal(told);
  return told.stepRevision > known.stepRevision;
}
