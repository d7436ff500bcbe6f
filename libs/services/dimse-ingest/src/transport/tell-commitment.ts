import { statusText } from '@callosum/dimse';
import { errorCode } from '@callosum/kernel';
import { count, type Logger } from '@callosum/telemetry';

import type { GivenUp } from '../application/commitment-ports.js';
import type { ReportOutcome } from '../application/report-commitments.js';
import { requestorOf } from '../domain/commitment-requestor.js';

/** Counts and logs what became of a report. UIDs and titles, nothing else. */
export function tellReport(log: Logger, { commitment, report, error }: ReportOutcome, on: 'same' | 'new'): void {
  const fields = { aet: requestorOf(commitment.aet).aet, transaction: commitment.transactionUid };
  if (!report) {
    log.warn({ ...fields, attempt: commitment.attempts + 1, code: errorCode(error), err: error }, 'commitment.delayed');
    return;
  }
  const { committed, failed } = report;
  const byStatus = new Map([[0, committed.length]]);
  for (const { failureReason } of failed) byStatus.set(failureReason, (byStatus.get(failureReason) ?? 0) + 1);
  for (const [status, instances] of byStatus)
    if (instances > 0) count('callosum.dimse.commitment.instances', instances, { 'dicom.status': statusText(status) });
  log.info({ ...fields, association: on, committed: committed.length, failed: failed.length }, 'commitment.reported');
}

export function tellGivenUp(log: Logger, { aet: requestor, transactionUid, errorCode: code }: GivenUp): void {
  const { aet } = requestorOf(requestor);
  log.error({ aet, transaction: transactionUid, code }, 'commitment.given-up');
}
