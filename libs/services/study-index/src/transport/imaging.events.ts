import { imaging, topics } from '@callosum/contracts';
import { EventLogContext, type LogEvent, together } from '@callosum/event-log';
import { CLOCK, LOGGER } from '@callosum/runtime';
import type { Clock } from '@callosum/kernel';
import { currentTraceparent, type Logger } from '@callosum/telemetry';
import { Controller, Inject } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';

import type { Fact, FactStore } from '../application/facts.js';
import { IndexFacts, type StoredFact } from '../application/index-facts.js';
import type { JudgeRejected } from '../application/judge-rejected.js';
import type { ObeyNote } from '../application/obey-note.js';
import { type BlobReader, headerBytesOf, type HeaderMemory } from '../application/read-instance.js';
import { recordProcedureStep } from '../application/statements.js';
import { countWithheld } from '../application/withhold.js';
import type { ShownInstances } from '../application/withholdings.js';
import { MalformedEventFieldError } from '../domain/errors.js';
import type { StoredInstance } from '../domain/instance.js';
import type { ProcedureStep, StepStatus } from '../domain/procedure-step.js';
import type { QuietPeriods } from '../domain/study.js';
import { BLOBS, FACTS, HEADER_MEMORY, JUDGE_REJECTED, OBEY_NOTE, QUIET_PERIODS } from '../tokens.js';

/** Facts of the archive and of senders. */
@Controller()
export class ImagingEvents {
  readonly #stored: IndexFacts;

  constructor(
    @Inject(FACTS) private readonly facts: FactStore,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    @Inject(BLOBS) blobs: BlobReader & ShownInstances,
    @Inject(QUIET_PERIODS) periods: QuietPeriods,
    @Inject(OBEY_NOTE) obeyNote: ObeyNote,
    @Inject(JUDGE_REJECTED) private readonly judgeRejected: JudgeRejected,
    @Inject(HEADER_MEMORY) private readonly memory: HeaderMemory,
  ) {
    this.#stored = new IndexFacts({
      ...{ facts, blobs, periods, obeyNote, memory },
      onGone: ({ sopInstanceUid: sop, studyInstanceUid: study }) => log.debug({ sop, study }, 'instance.gone'),
      onIndexed: ({ sopInstanceUid: sop, studyInstanceUid: study }, outcome) =>
        log.debug({ sop, study, outcome }, 'instance.indexed'),
    });
  }

  /** What others store of a study comes in runs, and is indexed together. */
  @EventPattern<string>(topics.instanceStored.name, together)
  async instancesStored(
    @Payload() messages: readonly imaging.InstanceStored[],
    @Ctx() { events }: EventLogContext,
  ): Promise<void> {
    const run: StoredFact[] = [];
    const indexed = (): Promise<void> => this.#stored.index(run.splice(0));
    for (const [at, message] of messages.entries()) {
      const event = events[at];
      if (!event) continue;
      // Other pixels under a known UID (rule 2): kept in the archive, the first stays what the index shows. Or withheld.
      if (message.withheld) {
        await indexed();
        await this.#withheld(message, event);
      } else if (message.current) {
        run.push({ fact: factOf(event), stored: storedInstanceOf(message), revisionFloor: message.revisionFloor });
      }
    }
    await indexed();
  }

  async #withheld(message: imaging.InstanceStored, event: LogEvent): Promise<void> {
    const withheld = storedInstanceOf(message);
    await this.memory.hold(headerBytesOf(withheld), () => this.judgeRejected(withheld));
    await this.facts.once(factOf(event), (index) => countWithheld(index, message));
  }

  @EventPattern<string>(topics.associationReleased.name)
  async associationReleased(
    @Payload() message: imaging.AssociationReleased,
    @Ctx() context: EventLogContext,
  ): Promise<void> {
    const release = { ...message, releasedAt: message.releasedAt ?? this.clock.now().toISOString() };
    await this.facts.released(factOf(context.event), release);
  }

  @EventPattern<string>(topics.procedureStepChanged.name)
  async procedureStepChanged(
    @Payload() message: imaging.ProcedureStepChanged,
    @Ctx() context: EventLogContext,
  ): Promise<void> {
    const { studyInstanceUid: study, procedureStepUid, status } = message;
    const step = procedureStepOf(message);
    const outcome = await this.facts.once(factOf(context.event), (index) => recordProcedureStep(index, study, step));
    const fields = { study, procedureStep: procedureStepUid, status, outcome: outcome ?? 'known' };
    if (outcome === 'too-many') this.log.warn(fields, 'procedure-step.ignored');
    else this.log.info(fields, 'procedure-step.taken-up');
  }
}

export const factOf = (event: LogEvent): Fact => ({
  id: event.id,
  traceparent: currentTraceparent() ?? event.traceparent,
  correlationId: event.correlationId,
});

const stepStatuses: Partial<Record<imaging.ProcedureStepStatus, StepStatus>> = {
  [imaging.ProcedureStepStatus.PROCEDURE_STEP_STATUS_IN_PROGRESS]: 'in-progress',
  [imaging.ProcedureStepStatus.PROCEDURE_STEP_STATUS_DISCONTINUED]: 'discontinued',
  [imaging.ProcedureStepStatus.PROCEDURE_STEP_STATUS_COMPLETED]: 'completed',
};

/** @throws {MalformedEventFieldError} when a field that cannot be missing is */
export function procedureStepOf(message: imaging.ProcedureStepChanged): ProcedureStep {
  const status = stepStatuses[message.status];
  if (!status) throw new MalformedEventFieldError('status');
  if (!message.changedAt) throw new MalformedEventFieldError('changed_at');
  return {
    procedureStepUid: message.procedureStepUid,
    stepRevision: message.stepRevision,
    status,
    series: message.series,
    studyCount: message.studyCount,
    discontinuationReason: message.discontinuationReason,
    source: message.source,
    changedAt: new Date(message.changedAt),
  };
}

/** @throws {MalformedEventFieldError} when a field that cannot be missing is */
export function storedInstanceOf(message: imaging.InstanceStored): StoredInstance {
  const { blob, storedAt } = message;
  if (!blob || !storedAt) throw new MalformedEventFieldError(blob ? 'stored_at' : 'blob');
  return {
    studyInstanceUid: message.studyInstanceUid,
    seriesInstanceUid: message.seriesInstanceUid,
    sopInstanceUid: message.sopInstanceUid,
    sopClassUid: message.sopClassUid,
    transferSyntaxUid: message.transferSyntaxUid,
    blob: { key: blob.key, byteCount: Number(blob.byteCount), sha256: blob.sha256 },
    instanceRevision: message.instanceRevision,
    issuedByCallosum: message.issuedByCallosum,
    source: message.source,
    associationId: message.associationId,
    storedAt: new Date(storedAt),
  };
}
