import type { Outbox } from '@callosum/event-log';
import type { Kysely, Transaction } from 'kysely';

import { SequenceTakenError, TombstonesChangedError } from './errors.js';
import type { ArchiveTables } from './tables.js';
import { tellTombstone } from './tombstone-facts.js';
import { ownStudy } from './tombstone-lock.js';
import { asItCounts } from './tombstone-late.js';
import type { TombstoneMark } from './tombstone-marks.js';
import { settleInstances } from './tombstone-settle.js';

export interface RecordParts {
  readonly db: Kysely<ArchiveTables>;
  readonly outbox: Outbox;
  readonly site: string;
}

/** Asked behind the study's lock: whether what was decided on is still so. */
export type Stands = (trx: Transaction<ArchiveTables>) => Promise<boolean>;

/** How a tombstone takes its place among the others of its study. */
export type Place =
  | LastPlace
  /** Where it was: a later one about the same instance holds. */
  | { readonly kind: 'as-marked' };

/**
 * After all of them.
 * @param expected the last one's sequence, where the caller decided on it; 0 for none
 * @param exact under no other sequence than its mark's
 */
export interface LastPlace {
  readonly kind: 'last';
  readonly expected?: number | undefined;
  readonly stands?: Stands | undefined;
  readonly exact?: boolean;
}

/**
 * One transaction: the tombstone, what it says of instances and of the ledger's rows, and its facts.
 * @returns its sequence; undefined when it, or another one of the same cause, is recorded already
 * @throws {TombstonesChangedError} when the last one is not the expected one, or what was decided on does not stand
 * @throws {SequenceTakenError}
 */
export function recordTombstone(parts: RecordParts, marked: TombstoneMark, place: Place): Promise<number | undefined> {
  const { db, outbox, site } = parts;
  return db.transaction().execute(async (trx) => {
    const { studyInstanceUid, recordedAt, effect } = marked;
    await ownStudy(trx, studyInstanceUid);
    const sequence = await sequenceOf(trx, site, marked, place);
    const mark = place.kind === 'as-marked' ? await asItCounts(trx, site, marked, sequence) : marked;
    if (place.kind === 'last' && place.stands && !(await place.stands(trx))) throw new TombstonesChangedError();
    const inserted = await trx
      .insertInto('tombstone')
      .values({
        site,
        study_instance_uid: studyInstanceUid,
        sequence,
        tombstone_id: mark.tombstoneId,
        effect,
        reason: mark.reason,
        code_value: mark.code?.value ?? null,
        code_scheme: mark.code?.scheme ?? null,
        actor: mark.actor,
        cause: mark.cause ?? null,
        revised_at: mark.revisedAt === undefined ? null : new Date(mark.revisedAt),
        instance_count: mark.instances.length,
        recorded_at: new Date(recordedAt),
      })
      .onConflict((conflict) => conflict.doNothing())
      .returning('sequence')
      .executeTakeFirst();
    if (!inserted) return undefined;
    if (effect === 'held' || effect === 'released') await settleHold(trx, site, studyInstanceUid);
    else await settleInstances(trx, site, mark, sequence);
    // What stays hidden is nobody's news.
    const isTold = effect === 'held' || effect === 'released' || mark.instances.length > 0;
    if (isTold) await tellTombstone(trx, outbox, { ...mark, sequence });
    return sequence;
  });
}

/**
 * What a study's next tombstone is at least: milliseconds since 1970, so that a database restored from a backup does not
 * count from where it was.
 */
export async function nextSequence({ db, site }: RecordParts, studyInstanceUid: string, now: Date): Promise<number> {
  const row = await db
    .selectFrom('tombstone')
    .select((select) => select.fn.max('sequence').as('last'))
    .where('site', '=', site)
    .where('study_instance_uid', '=', studyInstanceUid)
    .executeTakeFirst();
  return Math.max(now.getTime(), (row?.last ?? 0) + 1);
}

/** Of a tombstone that is recorded; undefined when it is not. */
export async function sequenceOfId({ db }: RecordParts, tombstoneId: string): Promise<number | undefined> {
  const row = await db
    .selectFrom('tombstone')
    .select('sequence')
    .where('tombstone_id', '=', tombstoneId)
    .executeTakeFirst();
  return row?.sequence;
}

async function sequenceOf(
  trx: Transaction<ArchiveTables>,
  site: string,
  { studyInstanceUid, sequence: marked }: TombstoneMark,
  place: Place,
): Promise<number> {
  const ofStudy = trx
    .selectFrom('tombstone')
    .where('site', '=', site)
    .where('study_instance_uid', '=', studyInstanceUid);
  if (place.kind === 'as-marked') {
    const rows = await ofStudy.select('sequence').where('sequence', '>=', marked).execute();
    const taken = new Set(rows.map(({ sequence }) => sequence));
    let sequence = marked;
    while (taken.has(sequence)) sequence++;
    return sequence;
  }
  // One step of the primary key: a study that is sent again image by image has a tombstone for each.
  const newest = await ofStudy.select((select) => select.fn.max('sequence').as('last')).executeTakeFirst();
  const last = newest?.last ?? 0;
  if (place.expected !== undefined && place.expected !== last) throw new TombstonesChangedError();
  if (place.exact && last >= marked) throw new SequenceTakenError();
  return Math.max(marked, last + 1);
}

/** The last word about a legal hold holds. */
async function settleHold(trx: Transaction<ArchiveTables>, site: string, studyInstanceUid: string): Promise<void> {
  const last = await trx
    .selectFrom('tombstone')
    .select(['effect', 'actor', 'recorded_at'])
    .where('site', '=', site)
    .where('study_instance_uid', '=', studyInstanceUid)
    .where('effect', 'in', ['held', 'released'])
    .orderBy('sequence', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow();
  if (last.effect === 'released') {
    await trx
      .deleteFrom('legal_hold')
      .where('site', '=', site)
      .where('study_instance_uid', '=', studyInstanceUid)
      .execute();
    return;
  }
  await trx
    .insertInto('legal_hold')
    .values({ site, study_instance_uid: studyInstanceUid, actor: last.actor, placed_at: last.recorded_at })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
