import { setTimeout as sleep } from 'node:timers/promises';

import { isTransientDatabaseError } from '@callosum/database';
import {
  type AcceptedAssociation,
  type ActionRequest,
  type CommitmentReport,
  type ContextAcceptance,
  type ContextProposal,
  CommitmentEvent,
  decodeCommitmentReport,
  decodeCommitmentRequest,
  DimseStatusError,
  encodeCommitmentReport,
  type EventReportRequest,
  eventTypeOf,
  type NormalizedAnswer,
  type NormalizedRequest,
  requestCommitmentAction,
  type StatedAnswer,
  storageCommitmentClass,
  storageCommitmentInstance,
} from '@callosum/dimse';
import type { Waker } from '@callosum/event-log';
import { CallosumError, errorCode } from '@callosum/kernel';
import { LOGGER, SETTINGS } from '@callosum/runtime';
import { currentTraceparent, type Logger } from '@callosum/telemetry';
import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';

import { AskForCommitment } from '../../application/ask-for-commitment.js';
import type { Commitments } from '../../application/commitment-ports.js';
import type { ApplicationEntities } from '../../application/ports.js';
import { ReportCommitments } from '../../application/report-commitments.js';
import { TakeCommitment } from '../../application/take-commitment.js';
import { assertTaken } from '../../domain/commitment.js';
import type { DimseIngestSettings } from '../../settings.js';
import { APPLICATION_ENTITIES, COMMITMENT_WAKER, COMMITMENTS } from '../../tokens.js';
import { tellReport } from '../tell-commitment.js';
import { commitmentAnswers, commitmentReportAnswers } from './answers.js';
import type { DimseService, OpenAssociation, ServiceHandler } from './dimse-service.js';
import { messageContext } from './message-datasets.js';

/** What a requestor may take for the report here before others may report it: the response timeout of a provider. */
const reportHereMs = 130_000;

/** The Storage Commitment Push Model (PS3.4 annex J): requests of others, and the reports of those whom we asked. */
@Injectable()
export class CommitmentService implements DimseService, BeforeApplicationShutdown {
  readonly abstractSyntaxUids = [storageCommitmentClass];
  readonly #running = new Set<Promise<void>>();

  constructor(
    @Inject(TakeCommitment) private readonly take: TakeCommitment,
    @Inject(ReportCommitments) private readonly reports: ReportCommitments,
    @Inject(AskForCommitment) private readonly asked: AskForCommitment,
    @Inject(COMMITMENTS) private readonly commitments: Commitments,
    @Inject(APPLICATION_ENTITIES) private readonly entities: Pick<ApplicationEntities, 'named'>,
    @Inject(COMMITMENT_WAKER) private readonly waker: Waker,
    @Inject(SETTINGS) private readonly settings: DimseIngestSettings,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  accept(proposal: ContextProposal): ContextAcceptance {
    // Who reports to us on an association of its own asks for the role of provider.
    return { ...messageContext(proposal), requestorRoles: { scu: true, scp: true } };
  }

  open(association: OpenAssociation): ServiceHandler {
    return {
      nAction: (request) => this.#requested(request, association),
      nEventReport: (request) => this.#reported(request, association.info.callingAet),
    };
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #requested(request: ActionRequest, association: OpenAssociation): Promise<NormalizedAnswer> {
    const { info, accepted, entityHost: callingHost } = association;
    assertOfPushModel(request, commitmentAnswers);
    if (request.actionTypeId !== requestCommitmentAction)
      throw new DimseStatusError(commitmentAnswers.otherAction.status);
    const { CALLOSUM_COMMITMENT_REFERENCES_MAX: referencesMax, CALLOSUM_COMMITMENT_GRACE_MS: graceMs } = this.settings;
    const asked = decodeCommitmentRequest(request.dataset, request.transferSyntaxUid, referencesMax);
    const traceparent = currentTraceparent();
    const origin = {
      associationId: info.id,
      callingAet: info.callingAet,
      ...(callingHost !== undefined && (await this.entities.named(info.callingAet)).length > 1 ? { callingHost } : {}),
      ...(traceparent === undefined ? {} : { traceparent }),
    };
    const { id, as } = await this.take
      .execute(asked, origin, graceMs + reportHereMs)
      .catch(refusalOf(commitmentAnswers.notNow));
    this.log.info(
      { aet: info.callingAet, transaction: asked.transactionUid, instances: asked.references.length, as },
      'commitment.taken',
    );
    const running = this.#reportHere(id, accepted(), graceMs).finally(() => this.#running.delete(running));
    this.#running.add(running);
    return { status: commitmentAnswers.taken.status };
  }

  async #reported(request: EventReportRequest, aet: string): Promise<NormalizedAnswer> {
    const { eventTypeId, dataset, transferSyntaxUid } = request;
    assertOfPushModel(request, commitmentReportAnswers);
    if (eventTypeId !== CommitmentEvent.Successful && eventTypeId !== CommitmentEvent.FailuresExist)
      throw new DimseStatusError(commitmentReportAnswers.otherEvent.status);
    const report = decodeCommitmentReport(dataset, transferSyntaxUid);
    const isOurs = await this.asked.take(aet, report).catch(refusalOf(commitmentReportAnswers.notNow));
    if (!isOurs)
      throw new DimseStatusError(commitmentReportAnswers.notAsked.status, {
        comment: 'it was not asked of this AE, or of other instances',
      });
    const { transactionUid: transaction, committed, failed } = report;
    this.log.info({ aet, transaction, committed: committed.length, failed: failed.length }, 'commitment.answered');
    return { status: commitmentReportAnswers.taken.status };
  }

  /**
   * Reports on the association of the request once the requestor had the time to release it: who waits for the report
   * leaves it open. Whatever goes wrong here, the row is there for others.
   */
  async #reportHere(id: string, association: AcceptedAssociation, graceMs: number): Promise<void> {
    try {
      // Never before the response of the N-ACTION.
      const isOpen = await Promise.race([
        sleep(Math.max(graceMs, 50)).then(() => true),
        association.ended.then(() => false),
      ]);
      const outcome = isOpen
        ? await this.reports.here(id, async (report) => assertTaken(await send(association, report)))
        : undefined;
      if (outcome) return tellReport(this.log, outcome, 'same');
    } catch (error) {
      this.log.info({ code: errorCode(error) }, 'commitment.not-here');
    }
    await this.commitments.letGo(id).catch(() => undefined);
    this.waker.wake();
  }
}

function send(association: AcceptedAssociation, report: CommitmentReport): Promise<number> {
  const context = association.contexts.find(({ abstractSyntaxUid }) => abstractSyntaxUid === storageCommitmentClass);
  return association
    .nEventReport(storageCommitmentClass, eventTypeOf(report), {
      sopInstanceUid: storageCommitmentInstance,
      dataset: encodeCommitmentReport(report, context?.transferSyntaxUid ?? ''),
    })
    .then(({ status }) => status);
}

/** @throws {DimseStatusError} it is not addressed to the well-known instance (PS3.7 10.1.1.1.8 and 10.1.4.1.10) */
function assertOfPushModel(
  { sopClassUid, sopInstanceUid }: NormalizedRequest,
  { otherClass, otherInstance }: Readonly<Record<'otherClass' | 'otherInstance', StatedAnswer>>,
): void {
  if (sopClassUid !== storageCommitmentClass) throw new DimseStatusError(otherClass.status);
  if (sopInstanceUid !== storageCommitmentInstance) throw new DimseStatusError(otherInstance.status);
}

/** Of what is no row: the peer says it again later. */
const refusalOf =
  ({ status }: StatedAnswer) =>
  (cause: unknown): never => {
    const isLater = isTransientDatabaseError(cause) || (cause instanceof CallosumError && cause.retriable);
    if (!isLater) throw cause;
    throw new DimseStatusError(status, { comment: errorCode(cause) }, { cause });
  };
