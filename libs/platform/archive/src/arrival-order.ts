import type { ObjectStore } from '@callosum/object-store';

import type { BlobMark } from './blob-key.js';
import type { LedgerEntry } from './pending-row.js';
import { revisionMarks } from './revision-marks.js';

/** Arrivals nearer than this are ordered by the revisions they were given: clocks of replicas differ, transfers overlap. */
const clockToleranceMs = 60_000;

/** Which of several objects of a SOPInstanceUID came later, where a blob without a row is found: from blobs and marks. */
export class ArrivalOrder {
  private constructor(private readonly recorded: ReadonlyMap<string, number>) {}

  /** @throws {ObjectStoreUnavailableError} */
  static async read(store: ObjectStore, site: string): Promise<ArrivalOrder> {
    return new ArrivalOrder(await revisionMarks(store, site));
  }

  /** The revision that a blob was given when it came; 1 for a first one, and for one that never got so far. */
  revisionOf(blobKey: string): number {
    return this.recorded.get(blobKey) ?? 1;
  }

  /** True when the blob came after the one that the ledger keeps. */
  isAfter({ key, arrivedAt }: BlobMark, entry: LedgerEntry): boolean {
    const laterByMs = arrivedAt.getTime() - entry.stored_at.getTime();
    const revision = this.revisionOf(key);
    const keptRevision = this.recorded.get(entry.blob_key) ?? entry.revision;
    if (Math.abs(laterByMs) > clockToleranceMs || revision === keptRevision) return laterByMs > 0;
    return revision > keptRevision;
  }
}
