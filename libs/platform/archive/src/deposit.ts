import { type ObjectStore, ObjectExistsError, ObjectNotFoundError } from '@callosum/object-store';

import type { Acknowledged } from './acknowledged.js';
import { type Conflict, isConflict } from './conflicts.js';
import { ConflictRefusedError } from './errors.js';
import type { GroupCommit } from './group-commit.js';
import { admits, isKeptFor, isTheInstance } from './known-uids.js';
import type { Ledger } from './ledger.js';
import type { LedgerEntry, PendingRow } from './pending-row.js';
import { revisionKey } from './revision-marks.js';
import type { RuleTwo, Verdict } from './rule-two.js';
import type { Tombstones } from './tombstones.js';

/** `stored` also when a recovery was faster and wrote the row of this very blob. */
export type DepositStatus = 'stored' | 'duplicate' | 'correction' | 'conflicting-pixels' | 'conflicting-study';

export interface Deposited {
  readonly status: DepositStatus;
  /** Of a duplicate: what it equals is not shown, but kept as this. */
  readonly duplicateOf?: Conflict;
}

interface Judging {
  /** Rows whose blobs are not there. */
  readonly gone: Set<number>;
  /** What is erased is gone for good: an object that equals it is not kept either. */
  readonly erasedCounts: boolean;
  readonly comesAfter: ((entry: LedgerEntry) => boolean) | undefined;
}

export interface DepositParts {
  readonly store: ObjectStore;
  readonly ledger: Ledger;
  readonly commits: GroupCommit;
  readonly rule: RuleTwo;
  readonly tombstones: Pick<Tombstones, 'readmit'>;
  readonly acknowledged: Pick<Acknowledged, 'says'>;
}

/** Gives a durable blob its row and its fact, or finds that it needs none. */
export class Deposit {
  constructor(private readonly parts: DepositParts) {}

  /** @throws {ConflictRefusedError} where conflicts are refused */
  async settle(row: PendingRow, conflicts: 'keep' | 'refuse'): Promise<Deposited> {
    return (await this.parts.commits.add(row)) ? { status: 'stored' } : this.decide(row, undefined, conflicts);
  }

  /**
   * Rule 2, for an object whose UID is known already, or named by a tombstone that lets it come again. What brings the
   * instance back does so before its row and is judged once more after: what is hidden may be erased until then. An answer
   * stands on what tombstones say when it is given, and a copy that is kept already is looked for: its row may be of a
   * database that does not know what became of it.
   */
  async decide(
    row: PendingRow,
    comesAfter?: (entry: LedgerEntry) => boolean,
    conflicts: 'keep' | 'refuse' = 'keep',
  ): Promise<Deposited> {
    const { ledger, commits, tombstones, acknowledged } = this.parts;
    const { written } = row;
    const gone = new Set<number>();
    for (;;) {
      const tombstone = await ledger.withholding(row);
      const isHidden = tombstone?.withheld === true;
      const mayComeAgain = !isHidden || admits(tombstone, row);
      if (isHidden && (mayComeAgain || isKeptFor(tombstone, row))) {
        // A conflict too: nobody let go of what comes now.
        await tombstones.readmit(row);
        continue;
      }
      // Where a recovery finds it too: its sender was told that it is kept, and a backup lost its row.
      const isEvidence = isHidden && tombstone.evidence && isTheInstance(tombstone, row);
      const kept = await ledger.kept(written.sopInstanceUid);
      const verdict = await this.#judge(row, kept, { gone, erasedCounts: !mayComeAgain && !isEvidence, comesAfter });
      if (verdict === 'missing') continue;
      if (!verdict) {
        if (await commits.add(row)) return { status: 'stored' };
        continue;
      }
      if (verdict.decision === 'duplicate') {
        if (verdict.of.blob_key === written.blob.key) return { status: 'stored' };
        if (await this.#isMissing(verdict.of, gone)) continue;
        // Of what stays hidden, but as evidence, nothing is promised; what a recovery finds nobody hears of.
        const isKept = row.revisionFloor === 0 && (!isHidden || isEvidence);
        if (isKept && !(await acknowledged.says(verdict.of))) continue;
        if ((await ledger.withholding(row))?.sequence === tombstone?.sequence) return duplicateOf(verdict.of);
        continue;
      }
      if (conflicts === 'refuse' && isConflict(verdict.decision)) throw new ConflictRefusedError(verdict.decision);
      const { digests, ...revision } = verdict;
      await this.#mark(written.blob.key, revision.revision);
      if (await ledger.insertRevision(row, revision, digests, tombstone?.sequence))
        return { status: revision.decision };
    }
  }

  /**
   * What was erased and may come again, or is evidence, is as if it had never been here, but for the number of its revision;
   * so is what is gone.
   * @returns undefined for the first of its UID, `missing` when a blob turned out to be gone
   */
  async #judge(row: PendingRow, kept: readonly LedgerEntry[], how: Judging): Promise<Verdict | 'missing' | undefined> {
    if (kept.length === 0) return undefined;
    const revision = Math.max(...kept.map((entry) => entry.revision)) + 1;
    const compared = kept.filter((entry) => !how.gone.has(entry.id) && (entry.erased_at === null || how.erasedCounts));
    const own = compared.some((entry) => entry.blob_key === row.written.blob.key);
    // Beside conflicts alone, or beside nothing, it is the one that is shown.
    if (!own && !compared.some((entry) => entry.current))
      return { decision: 'stored', current: true, revision, digests: undefined };
    try {
      const verdict = await this.parts.rule.judge(row, compared, how.comesAfter);
      return verdict.decision === 'duplicate' ? verdict : { ...verdict, revision };
    } catch (error) {
      if (!(error instanceof ObjectNotFoundError)) throw error;
      const missing = await Promise.all(compared.map((entry) => this.#isMissing(entry, how.gone)));
      if (!missing.includes(true)) throw error;
      return 'missing';
    }
  }

  /** Erased since its row was read, or before a backup was restored that has it still. What is erased needs no blob. */
  async #isMissing(entry: LedgerEntry, gone: Set<number>): Promise<boolean> {
    if (entry.erased_at !== null) return false;
    try {
      await this.parts.store.head(entry.blob_key);
      return false;
    } catch (error) {
      if (!(error instanceof ObjectNotFoundError)) throw error;
      gone.add(entry.id);
      return true;
    }
  }

  /** Before the row: which of several objects of a UID came later must be known without the ledger too. */
  async #mark(blobKey: string, revision: number): Promise<void> {
    try {
      await this.parts.store.put(revisionKey(blobKey, revision), nothing());
    } catch (error) {
      if (!(error instanceof ObjectExistsError)) throw error;
    }
  }
}

const duplicateOf = ({ current, decision }: LedgerEntry): Deposited =>
  !current && isConflict(decision) ? { status: 'duplicate', duplicateOf: decision } : { status: 'duplicate' };

async function* nothing(): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  yield new Uint8Array(0);
}
