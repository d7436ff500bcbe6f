import { type Clock, newId } from '@callosum/kernel';
import type { ObjectStore } from '@callosum/object-store';

import { SequenceTakenError, TombstonesChangedError } from './errors.js';
import { deleteMark, putMark, type TombstoneMark } from './tombstone-marks.js';
import { type LastPlace, nextSequence, type RecordParts, recordTombstone, sequenceOfId } from './tombstone-record.js';
import { available } from './unavailable.js';

/** What was recorded; `instances` 0 and no sequence when nothing was to be. */
export interface Recorded {
  readonly sequence: number | undefined;
  readonly instances: number;
}

/** A decision that has no place among the others of its study yet. */
export type Unplaced = Omit<TombstoneMark, 'sequence' | 'tombstoneId'>;

export interface MarkParts extends RecordParts {
  readonly store: ObjectStore;
  readonly clock: Clock;
}

export const nothingRecorded: Recorded = { sequence: undefined, instances: 0 };
/** How often a mark is written again that others overtook, before it takes another place than it says. */
const attemptsMax = 20;

/**
 * Writes a decision's mark beside the blobs, then records it with its facts.
 *
 * Its mark says the sequence it is recorded under: a database made again from the marks has them in the order they were
 * recorded in, where one was written first and recorded after another.
 * @throws {TombstonesChangedError} when the last one is not the expected one, or what was decided on does not stand
 */
export async function markAndRecord(parts: MarkParts, unplaced: Unplaced, place: LastPlace): Promise<Recorded> {
  const { store, site, clock } = parts;
  for (let attempt = 1; ; attempt++) {
    const marked = await available(nextSequence(parts, unplaced.studyInstanceUid, clock.now()));
    const mark: TombstoneMark = { ...unplaced, tombstoneId: newId(), sequence: marked };
    await available(putMark(store, site, mark));
    let changed: TombstonesChangedError | undefined;
    try {
      const sequence = await available(recordTombstone(parts, mark, { ...place, exact: attempt < attemptsMax }));
      if (sequence !== undefined) return { sequence, instances: mark.instances.length };
    } catch (error) {
      if (error instanceof TombstonesChangedError) changed = error;
      // Of any other failure nobody knows whether it was committed: the mark stays, and a recovery obeys it.
      else if (!(error instanceof SequenceTakenError)) throw error;
    }
    // A recovery that runs may have found the mark and recorded it.
    const replayed = await available(sequenceOfId(parts, mark.tombstoneId));
    if (replayed !== undefined) return { sequence: replayed, instances: mark.instances.length };
    await deleteMark(store, site, mark).catch((error: unknown) => {
      throw changed ?? error;
    });
    if (changed) throw changed;
    // Another one of the same cause is recorded, where nobody took its place.
    if (mark.cause !== undefined && (await isObeyed(parts, mark.cause))) return nothingRecorded;
  }
}

/** A decision of this cause is recorded. */
export async function isObeyed({ db, site }: RecordParts, cause: string): Promise<boolean> {
  const query = db.selectFrom('tombstone').select('sequence').where('site', '=', site).where('cause', '=', cause);
  return (await available(query.executeTakeFirst())) !== undefined;
}
