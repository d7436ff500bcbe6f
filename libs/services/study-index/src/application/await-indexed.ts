import { setTimeout as sleep } from 'node:timers/promises';

/** The study index, asked for what it lacks. */
export interface IndexedBlobs {
  /** Those of a study's blobs that no row was made from, in the order asked. */
  unindexed(studyInstanceUid: string, blobKeys: readonly string[]): Promise<readonly string[]>;
}

/** Blobs that are asked about at once. */
export const awaitedMax = 10_000;
/** Milliseconds that are waited at most. */
export const awaitedMsMax = 60_000;

/** How often it is looked at most: indexing one instance takes some milliseconds. */
const pollMs = 25;
/** Looking takes a part of the time only, however large the study is: one in so many. */
const idleParts = 4;

/**
 * Waits until these blobs of a study are indexed.
 * @param waitMs milliseconds; 0 looks once
 * @param signal ends the waiting, with its reason
 * @returns as soon as all are, or when the time is over: those that are not, in the order asked
 */
export async function awaitIndexed(
  index: IndexedBlobs,
  studyInstanceUid: string,
  blobKeys: readonly string[],
  waitMs: number,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  const deadline = performance.now() + waitMs;
  for (let missing = blobKeys; ;) {
    const begun = performance.now();
    missing = await index.unindexed(studyInstanceUid, missing);
    const left = deadline - performance.now();
    if (missing.length === 0 || left <= 0) return missing;
    const pause = Math.max(pollMs, (performance.now() - begun) * idleParts);
    await sleep(Math.min(pause, left), undefined, signal && { signal });
  }
}
