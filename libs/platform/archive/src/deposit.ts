import { type ObjectStore, ObjectExistsError } from '@callosum/object-store';

import { isConflict } from './conflicts.js';
import type { GroupCommit } from './group-commit.js';
import { admits } from './known-uids.js';
import type { Ledger } from './ledger.js';
import type { LedgerEntry, PendingRow } from './pending-row.js';
import { revisionKey } from './revision-marks.js';
import type { RuleTwo, Verdict } from './rule-two.js';
import type { Tombstones } from './tombstones.js';

/** `stored` also when a recovery was faster and wrote the row of this very blob. */
export type DepositStatus = 'stored' | 'duplicate' | 'correction' | 'conflicting-pixels' | 'conflicting-study';

/** Gives a durable blob its row and its fact, or finds that it needs none. */
export class Deposit {
  constructor(
    private readonly store: ObjectStore,
    private readonly ledger: Ledger,
    private readonly commits: GroupCommit,
    private readonly rule: RuleTwo,
    private readonly tombstones: Pick<Tombstones, 'readmit'>,
  ) {}

  async settle(row: PendingRow): Promise<DepositStatus> {
    return (await this.commits.add(row)) ? 'stored' : this.decide(row);
  }

  /**
   * Rule 2, for an object whose UID is known already, or named by a tombstone that lets it come again. What brings the
   * instance back does so before its row and is judged once more after: what is hidden may be erased until then.
   */
  async decide(row: PendingRow, comesAfter?: (entry: LedgerEntry) => boolean): Promise<DepositStatus> {
    const { written } = row;
    for (;;) {
      const tombstone = await this.ledger.withholding(row);
      const isHidden = tombstone?.withheld === true;
      const mayComeAgain = !isHidden || admits(tombstone, row);
      const kept = await this.ledger.kept(written.sopInstanceUid);
      const verdict = kept.length === 0 ? undefined : await this.#judge(row, kept, mayComeAgain, comesAfter);
      // A conflict stays beside what is hidden; anything else is the instance, and it is back.
      if (isHidden && mayComeAgain && !(verdict && isConflict(verdict.decision))) {
        await this.tombstones.readmit(row);
        continue;
      }
      if (!verdict) {
        if (await this.commits.add(row)) return 'stored';
        continue;
      }
      if (verdict.decision === 'duplicate') return verdict.of.blob_key === written.blob.key ? 'stored' : 'duplicate';
      const { digests, ...revision } = verdict;
      await this.#mark(written.blob.key, revision.revision);
      if (await this.ledger.insertRevision(row, revision, digests)) return revision.decision;
    }
  }

  /** What was erased and may come again is as if it had never been here, but for the number of its revision. */
  async #judge(
    row: PendingRow,
    kept: readonly LedgerEntry[],
    mayComeAgain: boolean,
    comesAfter?: (entry: LedgerEntry) => boolean,
  ): Promise<Verdict> {
    const revision = Math.max(0, ...kept.map((entry) => entry.revision)) + 1;
    const compared = mayComeAgain ? kept.filter((entry) => entry.erased_at === null) : kept;
    if (compared.length === 0) return { decision: 'stored', current: true, revision, digests: undefined };
    const verdict = await this.rule.judge(row, compared, comesAfter);
    return verdict.decision === 'duplicate' ? verdict : { ...verdict, revision };
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
