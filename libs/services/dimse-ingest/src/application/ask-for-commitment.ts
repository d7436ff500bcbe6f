import { type CommitmentReport, DimseStatusError, type SopReference } from '@callosum/dimse';
import { newId, uuidToUid } from '@callosum/kernel';

import type { AskedCommitments, Committers } from './commitment-ports.js';

/** A commitment that was asked for; `report` when the node told at once. */
export interface AskedCommitment {
  readonly transactionUid: string;
  readonly report?: CommitmentReport;
}

/**
 * Asks another node to take responsibility for what was sent to it (PS3.4 annex J, as user). The row is there before the
 * request is sent, so that a report finds it wherever and whenever it comes.
 */
export class AskForCommitment {
  constructor(
    private readonly asked: AskedCommitments,
    private readonly committers: Committers,
  ) {}

  /** @throws {NotCallableError} @throws {DimseStatusError} the node refused, and what an association throws */
  async execute(aet: string, references: readonly SopReference[]): Promise<AskedCommitment> {
    const transactionUid = uuidToUid(newId());
    await this.asked.add({ transactionUid, aet, references });
    try {
      const report = await this.committers.ask(aet, { transactionUid, references });
      // One of other instances says nothing of what was asked.
      const isOurs = report !== undefined && (await this.asked.reported(aet, report));
      return isOurs ? { transactionUid, report } : { transactionUid };
    } catch (error) {
      // Of any other failure nobody knows whether the node has the request.
      if (error instanceof DimseStatusError) await this.asked.remove(transactionUid);
      throw error;
    }
  }

  /** What the node reported, when it has. */
  reportOf(transactionUid: string): Promise<CommitmentReport | undefined> {
    return this.asked.reportOf(transactionUid);
  }

  /** N-EVENT-REPORT of a node on an association of its own. @returns false when it was not asked for it */
  take(aet: string, report: CommitmentReport): Promise<boolean> {
    return this.asked.reported(aet, report);
  }
}
