import { setTimeout as sleep } from 'node:timers/promises';

import { reportAnswers } from '../answers.js';
import { DimseStatusError } from '../errors.js';
import { ScuAssociation } from '../scu/scu-association.js';
import type { ProposedContext, ScuOptions } from '../scu/scu-options.js';
import type { EventReportRequest, NormalizedAnswer } from '../services/handler.js';
import { NormalizedStatus } from '../status.js';
import {
  type CommitmentReport,
  type CommitmentRequest,
  decodeCommitmentReport,
  encodeCommitmentReport,
  encodeCommitmentRequest,
  eventTypeOf,
  requestCommitmentAction,
  storageCommitmentClass,
  storageCommitmentInstance,
} from './commitment.js';

/** References of one request: their report stays below what `identifierBytesMax` lets in. */
export const commitmentReferencesMax = 25_000;

const transferSyntaxUids = ['1.2.840.10008.1.2.1', '1.2.840.10008.1.2'];
/** What is proposed to ask for a commitment. */
export const commitmentUser: ProposedContext = { abstractSyntaxUid: storageCommitmentClass, transferSyntaxUids };
/** What is proposed to report: the provider opens this association, and selects its role (PS3.4 J.3.3, PS3.7 D.3.3.4). */
export const commitmentProvider: ProposedContext = { ...commitmentUser, roles: { scu: false, scp: true } };

/**
 * Asks a provider to take responsibility for instances that were sent to it (N-ACTION), and waits a while for its report
 * on the same association. A provider may as well report later on an association of its own: that N-EVENT-REPORT comes
 * to our provider, to be read by `decodeCommitmentReport`.
 * @param reportMs how long to wait for the report here
 * @returns undefined when it has not come: the request stands
 * @throws {RangeError} more than `commitmentReferencesMax` references
 * @throws {DimseStatusError} the request was refused
 * @throws {PeerUnreachableError} @throws {AssociationRejectedError} @throws {AssociationAbortedError} @throws {ContextRefusedError}
 */
export async function requestCommitment(
  options: ScuOptions,
  request: CommitmentRequest,
  reportMs: number,
): Promise<CommitmentReport | undefined> {
  if (request.references.length > commitmentReferencesMax)
    throw new RangeError(`${request.references.length} references, ${commitmentReferencesMax} go into one request`);
  const reported = Promise.withResolvers<CommitmentReport>();
  const nEventReport = (event: EventReportRequest): Promise<NormalizedAnswer> => {
    const report = decodeCommitmentReport(event.dataset, event.transferSyntaxUid);
    if (report.transactionUid !== request.transactionUid)
      throw new DimseStatusError(reportAnswers.otherTransaction.status, { comment: 'of another transaction' });
    reported.resolve(report);
    return Promise.resolve({ status: reportAnswers.taken.status });
  };
  const association = await ScuAssociation.open({ ...options, handler: { nEventReport } }, [commitmentUser]);
  try {
    const contextId = association.contextFor(storageCommitmentClass);
    const { status, comment } = await association.nAction(contextId, requestCommitmentAction, {
      sopInstanceUid: storageCommitmentInstance,
      dataset: encodeCommitmentRequest(request, transferSyntaxOf(association, contextId)),
    });
    if (status !== NormalizedStatus.Success)
      throw new DimseStatusError(status, comment === undefined ? {} : { comment });
    const stop = new AbortController();
    const late = sleep(reportMs, undefined, { signal: stop.signal }).catch(() => undefined);
    // Whoever ends the association while we wait reports on another one.
    const gone = association.ended.then(() => undefined);
    const report = await Promise.race([reported.promise, late, gone]);
    stop.abort();
    return report;
  } finally {
    await association.release().catch(() => association.abort());
  }
}

/**
 * Reports as provider on an association of our own (N-EVENT-REPORT), one after the other as they are asked for.
 * @throws as `ScuAssociation.open`, and {ContextRefusedError}
 */
export class CommitmentReporter {
  private constructor(private readonly association: ScuAssociation) {}

  static async open(options: ScuOptions): Promise<CommitmentReporter> {
    return new CommitmentReporter(await ScuAssociation.open(options, [commitmentProvider]));
  }

  /** @returns the requestor's status @throws {AssociationAbortedError} @throws {ContextRefusedError} */
  async report(report: CommitmentReport): Promise<number> {
    const contextId = this.association.contextFor(storageCommitmentClass);
    const { status } = await this.association.nEventReport(contextId, eventTypeOf(report), {
      sopInstanceUid: storageCommitmentInstance,
      dataset: encodeCommitmentReport(report, transferSyntaxOf(this.association, contextId)),
    });
    return status;
  }

  /** A-RELEASE, or A-ABORT where that fails. */
  async close(): Promise<void> {
    await this.association.release().catch(() => this.association.abort());
  }
}

const transferSyntaxOf = ({ contexts }: ScuAssociation, contextId: number): string =>
  contexts.find(({ id }) => id === contextId)?.transferSyntaxUid ?? '1.2.840.10008.1.2';
