import { identity, imaging, inference, topics } from '@callosum/contracts';
import type { EventLogContext } from '@callosum/event-log';
import { currentTraceparent } from '@callosum/telemetry';
import { Controller, Inject } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';

import type { Fact, FactStore } from '../../application/facts.js';
import { recordLinked, recordQuarantined } from '../../application/record-decision.js';
import { recordJobCompleted, recordJobFailed } from '../../application/record-job.js';
import { recordStudyCompleted, recordStudyUpdated } from '../../application/record-study.js';
import { FACTS } from '../../tokens.js';

/** Facts a publication stands on. Handling one records it and what is now due; nothing is published here. */
@Controller()
export class FactsController {
  constructor(@Inject(FACTS) private readonly facts: FactStore) {}

  @EventPattern<string>(topics.studyUpdated.name)
  studyUpdated(@Payload() message: imaging.StudyUpdated, @Ctx() context: EventLogContext): Promise<void> {
    return recordStudyUpdated(this.facts, factOf(context), message);
  }

  @EventPattern<string>(topics.studyCompleted.name)
  studyCompleted(@Payload() message: imaging.StudyCompleted, @Ctx() context: EventLogContext): Promise<void> {
    return recordStudyCompleted(this.facts, factOf(context), message);
  }

  @EventPattern<string>(topics.studyLinked.name)
  studyLinked(@Payload() message: identity.StudyLinked, @Ctx() context: EventLogContext): Promise<void> {
    return recordLinked(this.facts, factOf(context), message);
  }

  @EventPattern<string>(topics.studyQuarantined.name)
  studyQuarantined(@Payload() message: identity.StudyQuarantined, @Ctx() context: EventLogContext): Promise<void> {
    return recordQuarantined(this.facts, factOf(context), message);
  }

  @EventPattern<string>(topics.jobCompleted.name)
  jobCompleted(@Payload() message: inference.JobCompleted, @Ctx() context: EventLogContext): Promise<void> {
    return recordJobCompleted(this.facts, factOf(context), message);
  }

  @EventPattern<string>(topics.jobFailed.name)
  jobFailed(@Payload() message: inference.JobFailed, @Ctx() context: EventLogContext): Promise<void> {
    return recordJobFailed(this.facts, factOf(context), message);
  }
}

const factOf = ({ event }: EventLogContext): Fact => ({
  id: event.id,
  origin: {
    traceparent: currentTraceparent() ?? event.traceparent,
    correlationId: event.correlationId,
    causationId: event.id,
  },
});
