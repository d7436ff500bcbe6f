/** A sender's word that it is done with an association that carried a study. */
export interface Release {
  readonly studyInstanceUid: string;
  readonly associationId: string;
  /** Instances of the study that the association carried. */
  readonly instanceCount: number;
  readonly releasedAt: string;
}

export interface CompletedStudy {
  readonly studyInstanceUid: string;
  readonly revision: number;
  readonly seriesCount: number;
  readonly secondsFromFirstInstance: number;
}

/** Deadlines of studies, shared by all replicas. */
export interface CompletionStore {
  /** Completes one study whose quiet period is over, together with the fact that tells of it; undefined when none is due. */
  completeNextDue(): Promise<CompletedStudy | undefined>;
  /**
   * Gives studies whose quiet period ended unattended a new one. Once, at start: while nobody read the log, instances
   * may have arrived that are acknowledged and not indexed yet, and the study would complete without them.
   */
  restartOverdueQuietPeriods(): Promise<void>;
  forgetOldReleases(): Promise<void>;
}

/** Studies completed in one sweep before others get their turn: a backlog must not starve the shutdown signal. */
const sweepStudiesMax = 500;

/** Completes every study that is due. Several replicas may sweep at once. */
export async function completeDueStudies(
  store: CompletionStore,
  onCompleted: (study: CompletedStudy) => void,
): Promise<number> {
  for (let count = 0; count < sweepStudiesMax; count++) {
    const completed = await store.completeNextDue();
    if (!completed) return count;
    onCompleted(completed);
  }
  return sweepStudiesMax;
}
