import { CallosumError } from '@callosum/kernel';

import type { InstanceRecord, StoredInstance } from '../domain/instance.js';

/** What the archive holds now: the current blob of every instance. */
export interface ArchiveLedger {
  count(): Promise<number>;
  current(): AsyncIterable<StoredInstance>;
}

export interface ReindexTarget {
  /** Start of the run on the clock that stamps rows. */
  begin(): Promise<Date>;
  /** Writes one instance in a transaction of its own, whether the index knows it or not. */
  put(record: InstanceRecord): Promise<void>;
  /** Leaves the row of an instance whose blob cannot be read now as it is. */
  keep(sopInstanceUid: string): Promise<void>;
  /** Removes instances that neither this run nor an event wrote since `since`: the archive has them no more. */
  removeUnseen(since: Date): Promise<number>;
}

export interface ReindexProgress {
  readonly done: number;
  readonly total: number;
  readonly failed: number;
}

/** How often progress is told, in instances. */
const progressEvery = 100;

/**
 * Rebuilds the index from blobs alone (rule 5), in small transactions and beside the running service. What the index
 * already holds is written again and changes no revision; what it lacks is indexed as if it had just arrived; what the
 * archive lacks is removed. An object that cannot be read is counted, and its row left alone.
 */
export class Reindex {
  constructor(
    private readonly ledger: ArchiveLedger,
    private readonly read: (stored: StoredInstance) => Promise<InstanceRecord>,
    private readonly target: ReindexTarget,
    private readonly onFailed: (stored: StoredInstance, code: string) => void,
  ) {}

  async *run(): AsyncGenerator<ReindexProgress> {
    const since = await this.target.begin();
    const total = await this.ledger.count();
    let done = 0;
    let failed = 0;
    yield { done, total, failed };
    for await (const stored of this.ledger.current()) {
      if (!(await this.putOne(stored))) failed++;
      done++;
      if (done % progressEvery === 0) yield { done, total: Math.max(total, done), failed };
    }
    await this.target.removeUnseen(since);
    yield { done, total: done, failed };
  }

  private async putOne(stored: StoredInstance): Promise<boolean> {
    try {
      await this.target.put(await this.read(stored));
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
