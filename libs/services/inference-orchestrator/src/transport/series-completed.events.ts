import { type imaging, topics } from '@callosum/contracts';
import type { EventLogContext, Waker } from '@callosum/event-log';
import { LOGGER, SETTINGS } from '@callosum/runtime';
import { currentTraceparent, type Logger, withSpan } from '@callosum/telemetry';
import { Controller, Inject } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';

import { considerSeries } from '../application/consider-study.js';
import type { Studies } from '../application/ports.js';
import type { Scheduling } from '../application/scheduling-ports.js';
import { StudyNotIndexedError, StudyUnavailableError } from '../domain/errors.js';
import type { OrchestratorSettings } from '../settings.js';
import { SCHEDULING, service, STUDIES, WAKER } from '../tokens.js';

/** A series is complete, perhaps before its study: the models that need not wait get their jobs. */
@Controller()
export class SeriesCompletedEvents {
  constructor(
    @Inject(SCHEDULING) private readonly scheduling: Scheduling,
    @Inject(STUDIES) private readonly studies: Studies,
    @Inject(WAKER) private readonly waker: Waker,
    @Inject(LOGGER) private readonly log: Logger,
    @Inject(SETTINGS) private readonly settings: OrchestratorSettings,
  ) {}

  @EventPattern<string>(topics.seriesCompleted.name)
  async seriesCompleted(@Payload() message: imaging.SeriesCompleted, @Ctx() context: EventLogContext): Promise<void> {
    const { CALLOSUM_MODELS_AT_SERIES: early, CALLOSUM_DISCONTINUED_STEPS: policy } = this.settings;
    // What is left of an examination that was broken off waits for its study, whose jobs are held.
    if (early.length === 0 || (message.discontinued && policy === 'hold')) return;
    const attributes = { 'callosum.study': message.studyInstanceUid, 'callosum.revision': message.revision };
    await withSpan(service, 'schedule jobs', { attributes }, () => this.schedule(message, context, new Set(early)));
    this.waker.wake();
  }

  private async schedule(
    { studyInstanceUid, seriesInstanceUid, revision }: imaging.SeriesCompleted,
    { event }: EventLogContext,
    early: ReadonlySet<string>,
  ): Promise<void> {
    const study = await this.studies.study(studyInstanceUid).catch((error: unknown) => {
      if (error instanceof StudyNotIndexedError) throw new StudyUnavailableError(studyInstanceUid, { cause: error });
      throw error;
    });
    const traceparent = currentTraceparent() ?? event.traceparent;
    const origin = { traceparent, correlationId: event.correlationId, causationId: event.id };
    await this.scheduling.seriesCompleted(event, { studyInstanceUid, revision }, origin, async (jobs) => {
      // Instances of a later revision are there already, and may be of this series.
      if (study.revision > revision) return;
      const models = (await jobs.models()).filter(({ model }) => early.has(model.modelId));
      const jobIds = await considerSeries(jobs, study, { seriesInstanceUid, revision }, models);
      if (jobIds.length > 0)
        this.log.info(
          { study: studyInstanceUid, series: seriesInstanceUid, revision, jobs: jobIds },
          'series.considered',
        );
    });
  }
}
