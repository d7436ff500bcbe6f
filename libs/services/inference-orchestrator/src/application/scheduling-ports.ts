import type { Manifest } from '../domain/manifest.js';
import type { ExistingJob, StepTold } from '../domain/scheduling.js';
import type { SelectedInput } from '../domain/selection.js';
import type { Origin } from './ports.js';

export interface CompletedStudy {
  readonly studyInstanceUid: string;
  readonly revision: number;
  readonly completedAt: Date;
}

/** A study that completed just now. */
export interface JustCompletedStudy extends CompletedStudy {
  /** Those its completion tells of. */
  readonly steps: readonly StepTold[];
}

/** What a procedure step made of the jobs of its study. */
export interface JobsOfStep {
  readonly held: readonly string[];
  readonly released: readonly string[];
}

/** Studies waiting for a model that has just registered: a portion of them, oldest first. */
export interface Backfill {
  readonly modelId: string;
  readonly version: string;
  /** Of the version that registered last: it gets the jobs. */
  readonly manifest: Manifest;
  readonly studies: readonly (CompletedStudy & Origin)[];
}

/** Completed studies and the jobs that follow from them. */
export interface Scheduling {
  /**
   * Records that a study is complete and runs `work` in the same transaction; not at all when the event's effect is
   * committed already, or a later revision is known. Its procedure steps decide whether its jobs are held, those that
   * `work` leaves as well as those that wait already; where nothing holds them, those held before are released.
   * @returns those that are held or released from now on
   */
  completed(
    event: { readonly id: string },
    study: JustCompletedStudy,
    origin: Origin,
    work: (jobs: StudyJobs) => Promise<void>,
  ): Promise<JobsOfStep>;
  /**
   * Records what was told of a procedure step, before its study is complete or after, and holds the jobs of the study
   * or releases them as its steps are now. Nothing is done when the event's effect is committed already.
   */
  stepChanged(event: { readonly id: string }, studyInstanceUid: string, step: StepTold): Promise<JobsOfStep>;
  /** Forgets steps that nobody told anything of for long. */
  forgetSteps(): Promise<void>;
  /**
   * Runs `work` for a series that is complete before its study; not at all when the event's effect is committed already,
   * or this revision of the study has completed, which decided for all its series.
   */
  seriesCompleted(
    event: { readonly id: string },
    study: Pick<CompletedStudy, 'studyInstanceUid' | 'revision'>,
    origin: Origin,
    work: (jobs: StudyJobs) => Promise<void>,
  ): Promise<void>;
  /**
   * Takes a model that has recent studies still to be considered; another replica leaves it alone for a while.
   * @param studiesMax of one portion; without studies nothing is left of the backfill
   */
  claimBackfill(studiesMax: number): Promise<Backfill | undefined>;
  /** The portion was considered: the next one begins behind it, or the backfill is over. */
  backfilled(portion: Backfill): Promise<void>;
  /** Runs `work` unless the study has completed again meanwhile, which considers every model anyway. */
  reconsider(study: CompletedStudy & Origin, work: (jobs: StudyJobs) => Promise<void>): Promise<void>;
}

/** One study's jobs, locked for the length of one decision. */
export interface StudyJobs {
  /** Of each model the version that registered last. */
  models(): Promise<readonly Manifest[]>;
  existing(modelId: string): Promise<readonly ExistingJob[]>;
  schedule(manifest: Manifest, input: SelectedInput, studyRevision: number): Promise<string>;
  supersede(jobId: string): Promise<void>;
  /** Failed jobs that count no longer; nothing is told of them, for they were told to have failed. */
  setAside(jobIds: readonly string[]): Promise<void>;
}

/** Complete studies the models were decided for. */
export interface ConsideredStudies {
  /** Revision of the last decision; undefined when there was none. */
  revisionOf(studyInstanceUid: string): Promise<number | undefined>;
}
