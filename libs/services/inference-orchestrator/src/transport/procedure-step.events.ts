import { imaging, topics } from '@callosum/contracts';
import type { EventLogContext, Waker } from '@callosum/event-log';
import { LOGGER } from '@callosum/runtime';
import { type Logger, withSpan } from '@callosum/telemetry';
import { Controller, Inject } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';

import type { Scheduling } from '../application/scheduling-ports.js';
import type { StepStatus, StepTold } from '../domain/scheduling.js';
import { SCHEDULING, service, WAKER } from '../tokens.js';

/**
 * What modalities say of their procedure steps. A step opens no revision of its study, so the study's completion, which
 * carries its steps, tells nothing of one that is discontinued after it: its jobs may wait still.
 */
@Controller()
export class ProcedureStepEvents {
  constructor(
    @Inject(SCHEDULING) private readonly scheduling: Scheduling,
    @Inject(WAKER) private readonly waker: Waker,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  @EventPattern<string>(topics.procedureStepChanged.name)
  async procedureStepChanged(
    @Payload() message: imaging.ProcedureStepChanged,
    @Ctx() { event }: EventLogContext,
  ): Promise<void> {
    const { studyInstanceUid: study, procedureStepUid: procedureStep } = message;
    const { held, released } = await withSpan(service, 'obey step', { attributes: { 'callosum.study': study } }, () =>
      this.scheduling.stepChanged(event, study, stepTold(message)),
    );
    if (held.length > 0) this.log.warn({ study, procedureStep, jobs: held }, 'jobs.held');
    if (released.length === 0) return;
    this.log.info({ study, procedureStep, jobs: released }, 'jobs.released');
    this.waker.wake();
  }
}

const { PROCEDURE_STEP_STATUS_COMPLETED, PROCEDURE_STEP_STATUS_DISCONTINUED } = imaging.ProcedureStepStatus;

const statuses: Partial<Record<imaging.ProcedureStepStatus, StepStatus>> = {
  [PROCEDURE_STEP_STATUS_COMPLETED]: 'completed',
  [PROCEDURE_STEP_STATUS_DISCONTINUED]: 'discontinued',
};

/** "Incorrect worklist entry selected" (PS3.16 CID 9300). */
const isWrongEntry = ({
  status,
  discontinuationReason,
}: Pick<imaging.ProcedureStepEvidence, 'status' | 'discontinuationReason'>) =>
  status === PROCEDURE_STEP_STATUS_DISCONTINUED &&
  discontinuationReason?.value === '110514' &&
  discontinuationReason.scheme === 'DCM';

/** A step as an event tells of it; the completion of a study tells no revision. */
export const stepTold = (step: imaging.ProcedureStepEvidence & { readonly stepRevision?: number }): StepTold => ({
  procedureStepUid: step.procedureStepUid,
  stepRevision: step.stepRevision ?? 0,
  status: statuses[step.status] ?? 'in-progress',
  isWrongEntry: isWrongEntry(step),
});
