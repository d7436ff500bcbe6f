import { type ObjectStore, ObjectExistsError } from '@callosum/object-store';

import type { GroupCommit } from './group-commit.js';
import type { Ledger, LedgerEntry, PendingRow } from './ledger.js';
import { revisionKey } from './revision-marks.js';
import type { RuleTwo } from './rule-two.js';

/** `stored` also when a recovery was faster and wrote the row of this very blob. */
export type DepositStatus = 'stored' | 'duplicate' | 'correction' | 'conflicting-pixels' | 'conflicting-study';

/** Gives a durable blob its row and its fact, or finds that it needs none. */
export class Deposit {
  constructor(
    private readonly store: ObjectStore,
    private readonly ledger: Ledger,
    private readonly commits: GroupCommit,
    private readonly rule: RuleTwo,
  ) {}

  async settle(row: PendingRow): Promise<DepositStatus> {
    return (await this.commits.add(row)) ? 'stored' : this.decide(row);
  }

  /** Rule 2, for an object whose UID is known already. */
  async decide(row: PendingRow, comesAfter?: (entry: LedgerEntry) => boolean): Promise<DepositStatus> {
    const { written } = row;
    for (;;) {
      const kept = await this.ledger.kept(written.sopInstanceUid);
      const verdict = await this.rule.judge(row, kept, comesAfter);
      if (verdict.decision === 'duplicate') return verdict.of.blob_key === written.blob.key ? 'stored' : 'duplicate';
      const { digests, ...revision } = verdict;
      await this.#mark(written.blob.key, revision.revision);
      if (await this.ledger.insertRevision(row, revision, digests)) return revision.decision;
    }
  }

  /** Before the row: which of several objects of a UID came later must be known without the ledger too. */
  async #mark(blobKey: string, revision: number): Promise<void> {
    try {
      await this.store.put(revisionKey(blobKey, revision), nothing());
    } catch (error) {
      if (!(error instanceof ObjectExistsError)) throw error;
    }
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  yield new Uint8Array(0);
}
