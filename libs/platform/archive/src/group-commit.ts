import type { Inserted } from './ledger.js';
import type { PendingRow } from './pending-row.js';

interface Waiting {
  readonly row: PendingRow;
  readonly resolve: (isNew: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** Rows of one transaction: beyond it a commit's cost is in the rows, not in the flush of PostgreSQL's log. */
const batchRowsMax = 64;
/** Owned studies waited for at once: each is a connection that does nothing else. */
const owningWaitsMax = 2;

/**
 * Lets instances that finish together share one COMMIT: while a transaction runs, those that finish meanwhile
 * gather for the next. Nobody waits for company: an idle archive commits at once.
 * Nobody waits for another study either: rows of one that somebody owns, to withhold or erase, wait for it apart.
 */
export class GroupCommit {
  readonly #queue: Waiting[] = [];
  /** Rows of owned studies, which nobody else takes. */
  readonly #apart = new Map<string, Waiting[]>();
  readonly #waitedFor = new Set<string>();
  #running = false;

  /**
   * @param insert one transaction for all rows; it leaves owned studies out, unless it waits for them
   * @param passesLater whether an error is about the database and not about a row
   */
  constructor(
    private readonly insert: (rows: readonly PendingRow[], waits: boolean) => Promise<Inserted>,
    private readonly passesLater: (error: unknown) => boolean,
  ) {}

  /** Resolves true when the row is committed, false when its UID had a row before. */
  add(row: PendingRow): Promise<boolean> {
    return new Promise((resolve, reject) => {
      (this.#apart.get(studyOf(row)) ?? this.#queue).push({ row, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#queue.length > 0) {
      await this.#commit(take(this.#queue), false);
    }
    this.#running = false;
  }

  async #commit(batch: readonly Waiting[], waits: boolean): Promise<void> {
    try {
      const rows = batch.map(({ row }) => row);
      const { known, owned } = await this.insert(rows, waits);
      for (const waiting of batch) {
        if (owned.has(studyOf(waiting.row))) this.#putApart(waiting);
        else waiting.resolve(!known.has(waiting.row.written.sopInstanceUid));
      }
      if (owned.size > 0) this.#waitForOwned();
    } catch (error) {
      // One row that PostgreSQL refuses must not fail its neighbours: each is tried alone.
      if (batch.length > 1 && !this.passesLater(error))
        for (const waiting of batch) await this.#commit([waiting], waits);
      else for (const { reject } of batch) reject(error);
    }
  }

  #putApart(waiting: Waiting): void {
    const study = studyOf(waiting.row);
    const rows = this.#apart.get(study) ?? [];
    rows.push(waiting);
    this.#apart.set(study, rows);
  }

  #waitForOwned(): void {
    for (const study of this.#apart.keys()) {
      if (this.#waitedFor.size >= owningWaitsMax) return;
      if (!this.#waitedFor.has(study)) void this.#waitFor(study);
    }
  }

  /** Commits the rows of one study as soon as nobody owns it, those too that come meanwhile. */
  async #waitFor(study: string): Promise<void> {
    this.#waitedFor.add(study);
    const rows = this.#apart.get(study) ?? [];
    while (rows.length > 0) await this.#commit(take(rows), true);
    this.#apart.delete(study);
    this.#waitedFor.delete(study);
    this.#waitForOwned();
  }
}

const studyOf = ({ written }: PendingRow): string => written.studyInstanceUid;

/** The oldest rows, one of each UID: a second object of a UID waits until the first is decided. */
function take(queue: Waiting[]): Waiting[] {
  const uids = new Set<string>();
  const batch: Waiting[] = [];
  for (let index = 0; index < queue.length && batch.length < batchRowsMax;) {
    const waiting = queue[index];
    const uid = waiting?.row.written.sopInstanceUid ?? '';
    if (!waiting || uids.has(uid)) {
      index++;
      continue;
    }
    uids.add(uid);
    batch.push(waiting);
    queue.splice(index, 1);
  }
  return batch;
}
