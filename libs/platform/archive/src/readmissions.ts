import type { PendingRow } from './pending-row.js';

interface Waiting {
  readonly row: PendingRow;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Instances of one tombstone; a fact of it names as many. */
const instancesMax = 500;

/**
 * Lets instances of a study that come again at the same moment, from one source, share a tombstone: while one is recorded,
 * those that come meanwhile gather for the next. Each would wait for the study's lock otherwise, and lie beside the blobs.
 */
export class Readmissions {
  readonly #waiting = new Map<string, Waiting[]>();

  /** @param record one tombstone for all of them, of one study, source and origin */
  constructor(private readonly record: (rows: readonly PendingRow[]) => Promise<void>) {}

  add(row: PendingRow): Promise<void> {
    const { written, intake } = row;
    const key = JSON.stringify([written.studyInstanceUid, intake.origin, intake.source]);
    return new Promise((resolve, reject) => {
      const one = { row, resolve, reject };
      const waiting = this.#waiting.get(key);
      if (waiting) waiting.push(one);
      else void this.#run(key, [one]);
    });
  }

  async #run(key: string, waiting: Waiting[]): Promise<void> {
    this.#waiting.set(key, waiting);
    while (waiting.length > 0) {
      const batch = waiting.splice(0, instancesMax);
      try {
        await this.record(batch.map(({ row }) => row));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#waiting.delete(key);
  }
}
