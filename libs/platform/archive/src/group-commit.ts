import type { PendingRow } from './ledger.js';

interface Waiting {
  readonly row: PendingRow;
  readonly resolve: (isNew: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** Rows of one transaction: beyond it a commit's cost is in the rows, not in the flush of PostgreSQL's log. */
const batchRowsMax = 64;

/**
 * Lets instances that finish together share one COMMIT: while a transaction runs, those that finish meanwhile
 * gather for the next. Nobody waits for company: an idle archive commits at once.
 */
export class GroupCommit {
  readonly #queue: Waiting[] = [];
  #running = false;

  /**
   * @param insert one transaction for all rows; gives the UIDs that had a row before
   * @param passesLater whether an error is about the database and not about a row
   */
  constructor(
    private readonly insert: (rows: readonly PendingRow[]) => Promise<ReadonlySet<string>>,
    private readonly passesLater: (error: unknown) => boolean,
  ) {}

  /** Resolves true when the row is committed, false when its UID had a row before. */
  add(row: PendingRow): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ row, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#queue.length > 0) {
      await this.#commit(this.#take());
    }
    this.#running = false;
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    try {
      const known = await this.insert(batch.map(({ row }) => row));
      for (const { row, resolve } of batch) resolve(!known.has(row.written.sopInstanceUid));
    } catch (error) {
      // One row that PostgreSQL refuses must not fail its neighbours: each is tried alone.
      if (batch.length > 1 && !this.passesLater(error)) for (const waiting of batch) await this.#commit([waiting]);
      else for (const { reject } of batch) reject(error);
    }
  }

  /** The oldest rows, one of each UID: a second object of a UID waits until the first is decided. */
  #take(): Waiting[] {
    const uids = new Set<string>();
    const batch: Waiting[] = [];
    for (let index = 0; index < this.#queue.length && batch.length < batchRowsMax;) {
      const waiting = this.#queue[index];
      const uid = waiting?.row.written.sopInstanceUid ?? '';
      if (!waiting || uids.has(uid)) {
        index++;
        continue;
      }
      uids.add(uid);
      batch.push(waiting);
      this.#queue.splice(index, 1);
    }
    return batch;
  }
}
