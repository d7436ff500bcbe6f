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
  /** Instances that its procedure steps stated and that never came. */
  readonly statedMissing: number;
}

/** A study whose quiet period is over, and that its procedure steps hold back for a limited time. */
export interface HeldStudy {
  readonly studyInstanceUid: string;
  readonly revision: number;
  readonly stepsInProgress: number;
  /** Stated instances that are not here. */
  readonly missing: number;
  /** True when it is first held. */
  readonly tell: boolean;
}

/** A study whose quiet period is over, and of which the archive acknowledged instances that the index lacks. */
export interface WaitingStudy {
  readonly studyInstanceUid: string;
  readonly revision: number;
  /** Source instances of the archive's ledger that are not indexed. */
  readonly missing: number;
  /** Since the quiet period was first found over. */
  readonly waitedSeconds: number;
  /** True at the first look, and once an hour from then on: when somebody should hear of it. */
  readonly tell: boolean;
}

/** A study that could not be looked at or completed. It has a further deadline; others do not wait for it. */
export interface FailedStudy {
  readonly studyInstanceUid: string;
  readonly revision: number;
  readonly error: unknown;
  /** As for one that waits: true at the first look, and once an hour from then on. */
  readonly tell: boolean;
}

/** Studies whose quiet period is over and that are not complete: instances are missing, or looks at them fail. */
export interface WaitingStudies {
  readonly count: number;
  /** Of the one that waits longest, since its quiet period was first found over; 0 when none waits. */
  readonly oldestAgeSeconds: number;
  /** Studies that their procedure steps hold back, in the same way. */
  readonly held: number;
}

/** What became of a study that was due. */
export type DueStudy =
  | { readonly outcome: 'completed'; readonly study: CompletedStudy }
  | { readonly outcome: 'waits'; readonly study: WaitingStudy }
  | { readonly outcome: 'held'; readonly study: HeldStudy }
  | { readonly outcome: 'failed'; readonly study: FailedStudy };

/** What a sender was promised of a study. */
export interface AcknowledgedInstance {
  readonly sopInstanceUid: string;
  readonly revision: number;
  readonly storedAt: Date;
}

/** What the archive acknowledged of a study: current instances, none of them made by Callosum. */
export interface AcknowledgedInstances {
  sourceInstancesOf(studyInstanceUid: string): Promise<readonly AcknowledgedInstance[]>;
}

/** Deadlines of studies, shared by all replicas. */
export interface CompletionStore {
  /**
   * Completes one study whose quiet period is over, together with the fact that tells of it; undefined when none is due.
   * One of which acknowledged instances are not indexed gets a further deadline instead, and so does one that its
   * procedure steps hold back, and one that fails.
   * @throws when nothing of this can be recorded: then all studies wait
   */
  settleNextDue(): Promise<DueStudy | undefined>;
  /**
   * Gives studies whose quiet period ended unattended a new one. Once, at start: while nobody read the log, instances
   * may have arrived that are acknowledged and not indexed yet, and the study would complete without them.
   */
  restartOverdueQuietPeriods(): Promise<void>;
  forgetOldReleases(): Promise<void>;
  /** What steps stated of a study that is long over, or that never came. */
  forgetOldSteps(): Promise<void>;
  /** Some of the patients of whom nothing is indexed any more. */
  forgetPatients(): Promise<void>;
  waiting(): Promise<WaitingStudies>;
}

/** Studies settled in one sweep before others get their turn: a backlog must not starve the shutdown signal. */
const sweepStudiesMax = 500;

/** Completes every study that is due and whole. Several replicas may sweep at once. @returns how many were completed */
export async function completeDueStudies(
  store: CompletionStore,
  onCompleted: (study: CompletedStudy) => void,
  onWaits: (study: WaitingStudy) => void,
  onFailed: (study: FailedStudy) => void,
  onHeld: (study: HeldStudy) => void = () => undefined,
): Promise<number> {
  let completed = 0;
  for (let settled = 0; settled < sweepStudiesMax; settled++) {
    const due = await store.settleNextDue();
    if (!due) break;
    if (due.outcome === 'waits') onWaits(due.study);
    else if (due.outcome === 'held') onHeld(due.study);
    else if (due.outcome === 'failed') onFailed(due.study);
    else {
      onCompleted(due.study);
      completed++;
    }
  }
  return completed;
}
