import { setTimeout as sleep } from 'node:timers/promises';

import type { Waker } from '@callosum/event-log';
import { LOGGER } from '@callosum/runtime';
import { type Logger, withSpan } from '@callosum/telemetry';
import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';

import { considerStudy } from '../application/consider-study.js';
import type { Artifacts, Attempts, JobQueries, LabelMaps, Models, Origin, Studies } from '../application/ports.js';
import type { CompletedStudy, Scheduling } from '../application/scheduling-ports.js';
import type { Manifest } from '../domain/manifest.js';
import { StudyNotIndexedError, StudyTooLargeError } from '../domain/errors.js';
import {
  ARTIFACTS,
  ATTEMPTS,
  JOB_QUERIES,
  LABEL_MAPS,
  MODELS,
  SCHEDULING,
  service,
  STUDIES,
  WAKER,
} from '../tokens.js';

/** A lease that ran out is noticed within this time. */
const sweepMs = 250;
const pauseAfterErrorMs = 1_000;
const pruneEveryMs = 600_000;
/** It lists every label map: not at every start, and not often. */
const sweepObjectsEveryMs = 6 * 3_600_000;
/** Studies a backfill considers before it looks around: each is one call to the index and one transaction. */
const backfillStudiesMax = 20;

/**
 * What time does to jobs: leases end, new models catch up, old rows go. Every deadline is a row. Leases have a loop of
 * their own: no backfill, however long, and no index that does not answer keeps a lost job from another worker.
 */
@Injectable()
export class UpkeepLoop implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private stopped = false;
  private running: Promise<void> = Promise.resolve();
  private prunedAt = 0;
  private sweptAt = Date.now();

  constructor(
    @Inject(ATTEMPTS) private readonly attempts: Attempts,
    @Inject(SCHEDULING) private readonly scheduling: Scheduling,
    @Inject(JOB_QUERIES) private readonly queries: JobQueries,
    @Inject(LABEL_MAPS) private readonly labelMaps: LabelMaps,
    @Inject(ARTIFACTS) private readonly artifacts: Artifacts,
    @Inject(MODELS) private readonly models: Models,
    @Inject(STUDIES) private readonly studies: Studies,
    @Inject(WAKER) private readonly waker: Waker,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    const loops = [this.run(() => this.endExpired()), this.run(() => this.backfill()), this.run(() => this.prune())];
    this.running = Promise.all(loops).then(() => undefined);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopped = true;
    this.waker.wake();
    await this.running;
  }

  private async run(work: () => Promise<void>): Promise<void> {
    while (!this.stopped) {
      const { turn } = this.waker;
      try {
        await work();
        await this.waker.wait(turn, sweepMs);
      } catch (err) {
        this.log.error({ err }, 'upkeep.failed');
        await sleep(pauseAfterErrorMs);
      }
    }
  }

  private async endExpired(): Promise<void> {
    const expired = await this.attempts.expired();
    for (const { jobId, fencingToken, failure, traceparent } of expired) {
      const options = { traceparent, attributes: { 'callosum.job': jobId, 'callosum.failure': failure } };
      const ours = failure === 'deadline-exceeded' ? 'the attempt took too long' : 'the worker went silent';
      const after = await withSpan(service, 'end attempt', options, () =>
        this.attempts.fail({ jobId, fencingToken }, failure, { ours }),
      );
      if (after) this.log.warn({ job: jobId, failure, state: after.state }, 'attempt.expired');
    }
    if (expired.length > 0) this.waker.wake();
  }

  /** A model that registered for the first time gets what completed shortly before, portion by portion. */
  private async backfill(): Promise<void> {
    while (!this.stopped) {
      const portion = await this.scheduling.claimBackfill(backfillStudiesMax);
      if (!portion) return;
      for (const study of portion.studies) {
        // What is left of the portion is considered again, by whoever claims it next: that changes nothing.
        if (this.stopped) return;
        await this.reconsider(study, portion.manifest);
      }
      await this.scheduling.backfilled(portion);
      this.log.info({ model: portion.modelId, studies: portion.studies.length }, 'model.backfilled');
      if (portion.studies.length > 0) this.waker.wake();
    }
  }

  private async reconsider(completed: CompletedStudy & Origin, manifest: Manifest): Promise<void> {
    const { studyInstanceUid, revision, traceparent } = completed;
    const options = { traceparent, attributes: { 'callosum.study': studyInstanceUid, 'callosum.revision': revision } };
    await withSpan(service, 'schedule jobs', options, async () => {
      const study = await this.studies.study(studyInstanceUid).catch((error: unknown) => {
        // One that nobody can read holds up none of the others.
        if (error instanceof StudyNotIndexedError || error instanceof StudyTooLargeError) return undefined;
        throw error;
      });
      if (!study || study.revision > revision) return;
      await this.scheduling.reconsider(completed, async (jobs) => {
        await considerStudy(jobs, study, revision, [manifest]);
      });
    });
  }

  private async prune(): Promise<void> {
    const now = Date.now();
    if (now - this.prunedAt > pruneEveryMs) {
      await this.labelMaps.prune();
      await this.models.retire();
      await this.scheduling.forgetSteps();
      for (const jobId of await this.queries.outlived()) {
        // Objects first: a row that stays is found again, objects without a row are not.
        await this.artifacts.forget(jobId);
        await this.queries.remove(jobId);
      }
      this.prunedAt = now;
    }
    if (now - this.sweptAt > sweepObjectsEveryMs) {
      this.sweptAt = now;
      const swept = await this.labelMaps.sweep(new Date(now));
      if (swept > 0) this.log.info({ objects: swept }, 'label-maps.swept');
    }
  }
}
