import { CallosumError } from '@callosum/kernel';

import type { InstanceRecord, StoredInstance } from '../domain/instance.js';

/** What the archive holds now: the current blob of every instance. */
export interface ArchiveLedger {
  count(): Promise<number>;
  current(): AsyncIterable<StoredInstance>;
  /** Writes again, from the blobs alone, what the ledger has lost; see `Archive.reconcile`. */
  reconcile(settledMs: number, revisionFloor: () => Promise<number>): AsyncIterable<LedgerProgress>;
  /** Above every revision that a study was ever told of; another one at each call. */
  nextRevisionFloor(): Promise<number>;
}

export interface LedgerProgress {
  readonly examined: number;
  readonly recovered: number;
  readonly unreadable: number;
}

export interface ReindexTarget {
  /** Start of the run on the clock that stamps rows. */
  begin(): Promise<Date>;
  /** True when the index has this very blob of the instance. */
  holds(stored: StoredInstance): Promise<boolean>;
  /** Writes one instance in a transaction of its own, whether the index knows it or not. */
  put(record: InstanceRecord, revisionFloor: number): Promise<void>;
  /** Leaves the row of an instance whose blob cannot be read now as it is. */
  keep(sopInstanceUid: string): Promise<void>;
  /** Removes instances that neither this run nor an event wrote since `since`: the archive has them no more. */
  removeUnseen(since: Date): Promise<number>;
}

export interface ReindexProgress {
  readonly done: number;
  readonly total: number;
  readonly failed: number;
  readonly ledger: LedgerProgress;
}

/** How often progress is told, in instances. */
const progressEvery = 100;

/**
 * Rebuilds the index from blobs alone (rule 5), in small transactions and beside the running service: first the ledger
 * from the blobs, then the index from the ledger. What the index already holds is written again and changes no revision;
 * what it lacks is indexed as if it had just arrived, in a revision above all from before; what the archive lacks is
 * removed. An object that cannot be read is counted, and its row left alone.
 */
export class Reindex {
  constructor(
    private readonly ledger: ArchiveLedger,
    private readonly read: (stored: StoredInstance) => Promise<InstanceRecord>,
    private readonly target: ReindexTarget,
    private readonly onFailed: (stored: StoredInstance, code: string) => void,
  ) {}

  /** @param settledMs blobs younger than this may be about to get their row in the ledger, and are left alone */
  async *run(settledMs: number): AsyncGenerator<ReindexProgress> {
    const since = await this.target.begin();
    const revisionFloor = once(() => this.ledger.nextRevisionFloor());
    let ledger: LedgerProgress = { examined: 0, recovered: 0, unreadable: 0 };
    for await (ledger of this.ledger.reconcile(settledMs, revisionFloor))
      yield { done: 0, total: 0, failed: 0, ledger };
    const total = await this.ledger.count();
    let done = 0;
    let failed = 0;
    yield { done, total, failed, ledger };
    for await (const stored of this.ledger.current()) {
      if (!(await this.putOne(stored, revisionFloor))) failed++;
      done++;
      if (done % progressEvery === 0) yield { done, total: Math.max(total, done), failed, ledger };
    }
    await this.target.removeUnseen(since);
    yield { done, total: done, failed, ledger };
  }

  private async putOne(stored: StoredInstance, revisionFloor: () => Promise<number>): Promise<boolean> {
    try {
      const isLost = !stored.issuedByCallosum && !(await this.target.holds(stored));
      await this.target.put(await this.read(stored), isLost ? await revisionFloor() : 0);
      return true;
    } catch (error) {
      // A dependency that is away would fail every instance after this one too.
      if (!(error instanceof CallosumError) || error.retriable) throw error;
      await this.target.keep(stored.sopInstanceUid);
      this.onFailed(stored, error.code);
      return false;
    }
  }
}

/** Asks when it is first needed, and again only where that failed. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () =>
    (answer ??= ask().catch((error: unknown) => {
      answer = undefined;
      throw error;
    }));
}
