import type { CommitmentRequest } from '@callosum/dimse';

import { digestOfReferences } from '../domain/commitment.js';
import { requestorKey } from '../domain/commitment-requestor.js';
import type { Commitments, TakenAs } from './commitment-ports.js';

export interface CommitmentOrigin {
  readonly associationId: string;
  readonly callingAet: string;
  /** Host of the entry that let it in, where its title has several: the report goes there. */
  readonly callingHost?: string;
  readonly traceparent?: string;
}

/**
 * N-ACTION of the Storage Commitment Push Model (PS3.4 J.3.2). When it resolves, the request is a row that a report
 * follows, whatever becomes of this process. A request whose response was lost may come again: it is reported again.
 */
export class TakeCommitment {
  constructor(private readonly commitments: Commitments) {}

  /** @param holdMs see `Commitments.take` @throws {TooManyCommitmentsError} */
  execute(
    { transactionUid, references }: CommitmentRequest,
    { callingAet: aet, callingHost: host, ...origin }: CommitmentOrigin,
    holdMs: number,
  ): Promise<{ readonly id: string; readonly as: TakenAs }> {
    const digest = digestOfReferences(references);
    const requestor = requestorKey({ aet, ...(host === undefined ? {} : { host }) });
    return this.commitments.take({ aet: requestor, transactionUid, references, digest, ...origin }, holdMs);
  }
}
