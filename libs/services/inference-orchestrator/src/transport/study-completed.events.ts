import { imaging, topics } from '@callosum/contracts';
import type { EventLogContext, Waker } from '@callosum/event-log';
import type { Clock } from '@callosum/kernel';
import { CLOCK, LOGGER } from '@callosum/runtime';
import { currentTraceparent, type Logger, withSpan } from '@callosum/telemetry';
import { Controller, Inject } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';

import { considerStudy } from '../application/consider-study.js';
import type { Studies } from '../application/ports.js';
import type { Scheduling } from '../application/scheduling-ports.js';
import { StudyNotIndexedError, StudyUnavailableError } from '../domain/errors.js';
import { SCHEDULING, service, STUDIES, WAKER } from '../tokens.js';
import { stepTold } from './procedure-step.events.js';

/** A study is complete: the models that read it get their jobs. */
@Controller()
export class StudyCompletedEvents {
  constructor(
    @Inject(SCHEDULING) private readonly scheduling: Scheduling,
    @Inject(STUDIES) private readonly studies: Studies,
    @Inject(WAKER) private readonly waker: Waker,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  @EventPattern<string>(topics.studyCompleted.name)
  async studyCompleted(@Payload() message: imaging.StudyCompleted, @Ctx() context: EventLogContext): Promise<void> {
    const attributes = { 'callosum.study': message.studyInstanceUid, 'callosum.revision': message.revision };
    await withSpan(service, 'schedule jobs', { attributes }, () => this.schedule(message, context));
    this.waker.wake();
  }

  /** The index is asked before the transaction begins: no lock waits for it. */
  private async schedule(
    { studyInstanceUid, revision, completedAt, procedureSteps }: imaging.StudyCompleted,
    { event }: EventLogContext,
  ): Promise<void> {
    const study = await this.studies.study(studyInstanceUid).catch((error: unknown) => {
      // The index told of it: it is being rebuilt.
      if (error instanceof StudyNotIndexedError) throw new StudyUnavailableError(studyInstanceUid, { cause: error });
      throw error;
    });
    const completed = {
      studyInstanceUid,
      revision,
      steps: procedureSteps.map(stepTold),
      completedAt: completedAt === undefined ? this.clock.now() : new Date(completedAt),
    };
    const traceparent = currentTraceparent() ?? event.traceparent;
    const origin = { traceparent, correlationId: event.correlationId, causationId: event.id };
    const { held } = await this.scheduling.completed(event, completed, origin, async (jobs) => {
      // Instances of a later revision are there already: its own completion decides.
      if (study.revision > revision) return;
      const { jobIds, supersededIds } = await considerStudy(jobs, study, revision, await jobs.models());
      this.log.info({ study: studyInstanceUid, revision, jobs: jobIds, superseded: supersededIds }, 'study.considered');
    });
    if (held.length > 0) this.log.warn({ study: studyInstanceUid, revision, jobs: held }, 'jobs.held');
  }
}
