import { ObjectNotFoundError, type ObjectStore } from '@callosum/object-store';

/** A kept object of an instance, as the ledger has it. */
export interface KeptCopy {
  readonly id: number;
  readonly studyInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly blobKey: string;
  readonly current: boolean;
}

/** Blobs that are asked for at once: the object store has readers and senders beside this. */
const headsAtOnce = 8;

/**
 * Those whose bytes are there. A row may be of a backup that does not know of an erasure, or its blob lost
 * with a disk; and of an instance whose current object is gone what is kept beside it is no copy.
 * @throws {ObjectStoreUnavailableError} then nothing is known of any
 */
export async function durableCopies(
  store: Pick<ObjectStore, 'head'>,
  copies: readonly KeptCopy[],
): Promise<KeptCopy[]> {
  const missing = await missingAmong(store, copies);
  const gone = new Set([...missing].filter(({ current }) => current).map(({ sopInstanceUid }) => sopInstanceUid));
  return copies.filter((copy) => !missing.has(copy) && !gone.has(copy.sopInstanceUid));
}

/** SOP classes by SOP Instance UID. */
export function classesOf(copies: readonly KeptCopy[]): ReadonlyMap<string, ReadonlySet<string>> {
  const classes = new Map<string, Set<string>>();
  for (const { sopInstanceUid, sopClassUid } of copies)
    classes.set(sopInstanceUid, (classes.get(sopInstanceUid) ?? new Set<string>()).add(sopClassUid));
  return classes;
}

async function missingAmong(
  store: Pick<ObjectStore, 'head'>,
  copies: readonly KeptCopy[],
): Promise<ReadonlySet<KeptCopy>> {
  const missing = new Set<KeptCopy>();
  const left = copies.values();
  let ended = false;
  const ask = async (): Promise<void> => {
    for (const copy of left) {
      if (ended) return;
      try {
        await store.head(copy.blobKey);
      } catch (error) {
        if (!(error instanceof ObjectNotFoundError)) throw error;
        missing.add(copy);
      }
    }
  };
  await Promise.all(Array.from({ length: headsAtOnce }, ask)).finally(() => {
    ended = true;
  });
  return missing;
}
