import { LOGGER } from '@callosum/runtime';
import { type Logger, record } from '@callosum/telemetry';
import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';

import {
  completeDueStudies,
  type CompletedStudy,
  type CompletionStore,
  type FailedStudy,
  type HeldStudy,
  type WaitingStudy,
} from '../application/complete-studies.js';
import { COMPLETION } from '../tokens.js';

/** Below the shortest quiet period, so that a deadline is met closely; the query reads one index entry. */
const sweepMs = 100;
/** After a failure (no database): do not hammer it. */
const pauseAfterErrorMs = 1_000;
const forgetEveryMs = 600_000;
/** A study that waited this long for instances that the archive has is no delay any more. */
const standsStillSeconds = 3_000;

/** Looks for studies whose quiet period is over. The deadlines are rows: a process that dies forgets nothing. */
@Injectable()
export class CompletionLoop implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;
  private forgottenAt = 0;
  private resumed = false;

  constructor(
    @Inject(COMPLETION) private readonly store: CompletionStore,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.schedule(0);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.running;
  }

  private schedule(afterMs: number): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.running = this.sweep();
    }, afterMs);
  }

  private tellCompleted(completed: CompletedStudy): void {
    const { studyInstanceUid, revision, seriesCount, secondsFromFirstInstance, statedMissing } = completed;
    // A later revision begins when somebody sends more, however long after the first instance.
    if (revision === 1) record('callosum.study.completion.duration', Math.max(0, secondsFromFirstInstance), {});
    this.log.info({ study: studyInstanceUid, revision, seriesCount }, 'study.completed');
    if (statedMissing > 0)
      this.log.warn({ study: studyInstanceUid, revision, missing: statedMissing }, 'study.completed-short');
  }

  private tellHeld({ studyInstanceUid, revision, stepsInProgress, missing, tell }: HeldStudy): void {
    if (tell) this.log.info({ study: studyInstanceUid, revision, stepsInProgress, missing }, 'study.held');
  }

  /** A short wait is the log catching up; an hour of it is for a person, who finds what is parked or how far the log is behind. */
  private tellWaiting({ studyInstanceUid, revision, missing, waitedSeconds, tell }: WaitingStudy): void {
    if (!tell) return;
    const fields = { study: studyInstanceUid, revision, missing, waitedSeconds: Math.round(waitedSeconds) };
    if (waitedSeconds < standsStillSeconds) this.log.info(fields, 'study.waits-for-instances');
    else this.log.error(fields, 'study.stands-still');
  }

  private tellFailed({ studyInstanceUid, revision, error, tell }: FailedStudy): void {
    if (!tell) return;
    this.log.error({ study: studyInstanceUid, revision, err: error }, 'study.look-failed');
  }

  private async sweep(): Promise<void> {
    try {
      if (!this.resumed) await this.store.restartOverdueQuietPeriods();
      this.resumed = true;
      await completeDueStudies(
        this.store,
        (completed) => this.tellCompleted(completed),
        (waiting) => this.tellWaiting(waiting),
        (failed) => this.tellFailed(failed),
        (held) => this.tellHeld(held),
      );
      if (Date.now() - this.forgottenAt > forgetEveryMs) {
        await this.store.forgetOldReleases();
        await this.store.forgetOldSteps();
        await this.store.forgetPatients();
        this.forgottenAt = Date.now();
      }
      this.schedule(sweepMs);
    } catch (err) {
      this.log.error({ err }, 'study.completion-failed');
      this.schedule(pauseAfterErrorMs);
    }
  }
}
