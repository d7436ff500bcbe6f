import { sql, type Transaction } from 'kysely';

import type { ArchiveTables } from './tables.js';
import type { TombstoneMark, WithheldInstance } from './tombstone-marks.js';
import { isRejected, isWithdrawn } from './tombstone-tables.js';

/**
 * What a mark says in a database that may have learnt of later decisions before it: that of an earlier revision of a note
 * says nothing, and what stays hidden in another one because of it is shown.
 */
export async function asItCounts(
  trx: Transaction<ArchiveTables>,
  site: string,
  mark: TombstoneMark,
  sequence: number,
): Promise<TombstoneMark> {
  if (await isCorrected(trx, site, mark, sequence)) return { ...mark, instances: [], remaining: [] };
  const { instances, remaining = [], reason } = mark;
  if (remaining.length === 0 || reason === 'rejection-note') return mark;
  const hidden = await hiddenByOthers(trx, site, mark, sequence);
  const stays = ({ sopInstanceUid }: WithheldInstance): boolean => !hidden.has(sopInstanceUid);
  return {
    ...mark,
    instances: [...instances, ...remaining.filter((one) => !stays(one))],
    remaining: remaining.filter(stays),
  };
}

/**
 * The word of a note that a later revision of it was obeyed after, which said all that the note says: a database that lost
 * the earlier one may have obeyed the later one before it found the mark.
 */
async function isCorrected(
  trx: Transaction<ArchiveTables>,
  site: string,
  { studyInstanceUid, actor, revisedAt }: TombstoneMark,
  sequence: number,
): Promise<boolean> {
  if (revisedAt === undefined) return false;
  const later = await trx
    .selectFrom('tombstone')
    .select('sequence')
    .where('site', '=', site)
    .where('study_instance_uid', '=', studyInstanceUid)
    .where('sequence', '>', sequence)
    .where('actor', '=', actor)
    .where('revised_at', '>', new Date(revisedAt))
    .limit(1)
    .executeTakeFirst();
  return later !== undefined;
}

/** Of what a mark leaves to notes and to Callosum, what neither hides: nobody would, when its own word is taken back. */
async function hiddenByOthers(
  trx: Transaction<ArchiveTables>,
  site: string,
  { studyInstanceUid, remaining = [] }: TombstoneMark,
  sequence: number,
): Promise<ReadonlySet<string>> {
  const uids = remaining.map(({ sopInstanceUid }) => sopInstanceUid);
  const { rows } = await sql<{ uid: string }>`
    select w.sop_instance_uid as uid from withheld_instance w
    where w.site = ${site} and w.study_instance_uid = ${studyInstanceUid} and w.sop_instance_uid = any(${uids}::text[])
      and w.withheld and w.sequence < ${sequence}::bigint and not (${isRejected} or ${isWithdrawn})`.execute(trx);
  return new Set(rows.map(({ uid }) => uid));
}
