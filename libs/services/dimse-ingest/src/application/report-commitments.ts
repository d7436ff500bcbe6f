import type { CommitmentReport } from '@callosum/dimse';
import { errorCode } from '@callosum/kernel';

import { type Commitment, judgeCommitment, pauseAfter } from '../domain/commitment.js';
import { CommitmentClaimLostError, ReportRefusedError } from '../domain/commitment-errors.js';
import type { ClaimedRequestor, Commitments, KeptInstances, ReportChannel, Requestors } from './commitment-ports.js';

/** One N-EVENT-REPORT, the slowest answer and what the database takes; each report renews it. */
export const claimLeaseMs = 300_000;

/** What a report came to; told to whoever counts and logs. */
export interface ReportOutcome {
  readonly commitment: Commitment;
  readonly report?: CommitmentReport;
  readonly error?: unknown;
}

/** N-EVENT-REPORTs of the Storage Commitment Push Model (PS3.4 J.3.3), judged by what the archive keeps when they are sent. */
export class ReportCommitments {
  /** @param retrieveAet where the instances can be retrieved: our title */
  constructor(
    private readonly commitments: Commitments,
    private readonly kept: KeptInstances,
    private readonly requestors: Requestors,
    private readonly retrieveAet: string,
  ) {}

  /**
   * Reports a request on the association it came on.
   * @param send resolves when the requestor took it
   * @returns undefined when somebody else reported it
   */
  async here(id: string, send: (report: CommitmentReport) => Promise<void>): Promise<ReportOutcome | undefined> {
    const commitment = await this.commitments.find(id);
    if (!commitment) return undefined;
    const report = await this.#judge(commitment);
    await send(report);
    await this.commitments.reportedHere(id);
    return { commitment, report };
  }

  /**
   * Reports all that is due to a claimed requestor on one association of ours. A refused report delays no other, and one
   * at which the requestor breaks off or falls silent, or that cannot be judged now, goes behind the others; a requestor
   * that cannot be reached is left alone for a while, with all of its.
   * @returns why it could not be reached, when it could not
   */
  async toRequestor(claim: ClaimedRequestor, told: (outcome: ReportOutcome) => void): Promise<unknown> {
    let channel: ReportChannel | undefined;
    let current: Commitment | undefined;
    let during: Commitment | undefined;
    try {
      for (;;) {
        current = during = undefined;
        current = await this.commitments.next(claim, claimLeaseMs);
        if (!current) break;
        // An archive that cannot judge this one now may judge the next.
        during = current;
        const report = await this.#judge(current);
        during = undefined;
        channel ??= await this.requestors.open(claim.aet);
        during = current;
        await this.#send(claim, channel, current, report, told);
      }
      await this.commitments.release(claim);
      return undefined;
    } catch (error) {
      if (error instanceof CommitmentClaimLostError) return error;
      if (current) told({ commitment: current, error });
      await this.commitments.release(claim, {
        errorCode: errorCode(error),
        pauseMs: pauseAfter(claim.attempts + 1),
        during: during && { id: during.id, pauseMs: pauseAfter(during.attempts + 1) },
      });
      return error;
    } finally {
      await channel?.close();
    }
  }

  async #send(
    claim: ClaimedRequestor,
    channel: ReportChannel,
    commitment: Commitment,
    report: CommitmentReport,
    told: (outcome: ReportOutcome) => void,
  ): Promise<void> {
    try {
      await channel.report(report);
    } catch (error) {
      if (!(error instanceof ReportRefusedError)) throw error;
      const pauseMs = pauseAfter(commitment.attempts + 1);
      await this.commitments.refused(claim, commitment.id, error.code, pauseMs);
      told({ commitment, error });
      return;
    }
    await this.commitments.reported(claim, commitment.id);
    told({ commitment, report });
  }

  async #judge(commitment: Commitment): Promise<CommitmentReport> {
    const uids = [...new Set(commitment.references.map(({ sopInstanceUid }) => sopInstanceUid))];
    const kept = commitment.isDuplicate ? new Map<string, Set<string>>() : await this.kept.classesOf(uids);
    return { ...judgeCommitment(commitment, kept), retrieveAet: this.retrieveAet };
  }
}
