import { sql, type Transaction } from 'kysely';

import { saidAlone } from './restorable.js';
import type { ArchiveTables } from './tables.js';
import type { TombstoneMark } from './tombstone-marks.js';
import {
  isRejected,
  isWithdrawn,
  othersAdmit,
  othersEraseAt,
  othersSaidAt,
  rejectingNote,
  rejectionAdmits,
  rejectionEraseAt,
  rejectionSaidAt,
} from './tombstone-tables.js';

/**
 * What a tombstone says of instances and of the ledger's rows. Of what is hidden already it adds up: an instance may come
 * again only where all of those who hide it allow it, and its bytes go at the first of their times, but by no note where
 * one of them is no matter of retention. What one note said is replaced by what it says now: its title may be corrected.
 */
export async function settleInstances(
  trx: Transaction<ArchiveTables>,
  site: string,
  mark: TombstoneMark,
  sequence: number,
): Promise<void> {
  const { studyInstanceUid, effect, reason, actor, instances, admitsAgain, eraseAt } = mark;
  const hides = effect === 'hidden';
  const rejects = hides && reason === 'rejection-note';
  const note = rejects ? actor : null;
  const withdraws = hides && reason === 'result-withdrawn';
  const othersAdmitIt = !hides || rejects || withdraws || admitsAgain;
  const isOfItsNote = sql`coalesce(w.withheld and w.note = excluded.note, false)`;
  const othersAdmitNow = sql`excluded.others_admit and (not (w.withheld and excluded.withheld) or ${othersAdmit})`;
  const isSaidAnew = sql`(not w.withheld or not ${isRejected} or ${rejectingNote} = excluded.rejecting_note)`;
  const rejectionAdmitsNow = sql`case when not excluded.withheld then null
      when ${isSaidAnew} then excluded.rejection_admits
      else ${rejectionAdmits} and coalesce(excluded.rejection_admits, true) end`;
  const othersEraseAtNow = sql`case when not w.withheld or not excluded.withheld then excluded.others_erase_at
      else least(${othersEraseAt}, excluded.others_erase_at) end`;
  const rejectionEraseAtNow = sql`case when not excluded.withheld or ${isSaidAnew} then excluded.rejection_erase_at
      when not excluded.rejected then ${rejectionEraseAt}
      when ${rejectionEraseAt} is not null and excluded.rejection_erase_at is not null
        then least(${rejectionEraseAt}, excluded.rejection_erase_at) end`;
  const rejectionSaidAtNow = sql`case when not w.withheld or excluded.rejected then excluded.rejection_said_at
      when excluded.withheld then ${rejectionSaidAt} end`;
  const othersSaidAtNow = sql`case when not w.withheld or excluded.others_said_at is not null
      then excluded.others_said_at when excluded.withheld then ${othersSaidAt} end`;
  // What a note says of the series counts only of what never came.
  const seriesNow = rejects
    ? sql`case when exists (select 1 from intake i where i.site = w.site and i.sop_instance_uid = w.sop_instance_uid
        and i.study_instance_uid = w.study_instance_uid)
      then w.series_instance_uid else excluded.series_instance_uid end`
    : sql`excluded.series_instance_uid`;
  await sql`
    insert into withheld_instance as w (site, study_instance_uid, sop_instance_uid, series_instance_uid, sequence,
      withheld, reason, admits_again, erase_at, note, rejected, rejecting_note, rejection_admits,
      others_admit, rejection_erase_at, others_erase_at, rejection_said_at, others_said_at, parts_at, withdrawn)
    select ${site}, ${studyInstanceUid}, one.sop, one.series, ${sequence}::bigint, ${hides}::boolean,
      ${reason}, ${admitsAgain}::boolean, ${eraseAt}::timestamptz, ${note}::text,
      ${rejects}::boolean, ${note}::text, ${rejects ? admitsAgain : null}::boolean, ${othersAdmitIt}::boolean,
      ${rejects ? eraseAt : null}::timestamptz, ${rejects ? null : eraseAt}::timestamptz,
      ${rejects ? sequence : null}::bigint, ${hides && !rejects && !withdraws ? sequence : null}::bigint,
      ${sequence}::bigint, ${withdraws}::boolean
    from unnest(${instances.map(({ sopInstanceUid }) => sopInstanceUid)}::text[],
      ${instances.map(({ seriesInstanceUid }) => seriesInstanceUid)}::text[]) as one (sop, series)
    on conflict (site, study_instance_uid, sop_instance_uid) do update
    set sequence = excluded.sequence, series_instance_uid = ${seriesNow},
      withheld = excluded.withheld, reason = excluded.reason, erased = false,
      admits_again = excluded.withheld and coalesce(${othersAdmitNow} and coalesce(${rejectionAdmitsNow}, true),
        excluded.admits_again and (not w.withheld or ${isOfItsNote} or w.admits_again)),
      erase_at = least(${othersEraseAtNow}, ${rejectionEraseAtNow}),
      note = case when not w.withheld or w.note = excluded.note then excluded.note end,
      rejected = excluded.withheld and (excluded.rejected or (w.withheld and ${isRejected})),
      rejecting_note = case when not excluded.withheld then null
        when not w.withheld or not ${isRejected} then excluded.rejecting_note
        when not excluded.rejected or ${rejectingNote} = excluded.rejecting_note then ${rejectingNote} end,
      rejection_admits = ${rejectionAdmitsNow}, others_admit = ${othersAdmitNow},
      rejection_erase_at = ${rejectionEraseAtNow}, others_erase_at = ${othersEraseAtNow},
      rejection_said_at = ${rejectionSaidAtNow}, others_said_at = ${othersSaidAtNow},
      parts_at = excluded.parts_at,
      withdrawn = excluded.withheld and (excluded.withdrawn or (w.withheld and ${isWithdrawn}))
    where w.sequence < excluded.sequence`.execute(trx);
  await settleRemaining(trx, site, mark, sequence);
  await sql`
    update intake set withheld = w.withheld from withheld_instance w
    where w.site = ${site} and w.study_instance_uid = ${studyInstanceUid}
      and w.sop_instance_uid = any(${instances.map(({ sopInstanceUid }) => sopInstanceUid)}::text[])
      and intake.site = w.site and intake.sop_instance_uid = w.sop_instance_uid
      and intake.study_instance_uid = w.study_instance_uid and intake.erased_at is null
      and intake.withheld <> w.withheld`.execute(trx);
}

/**
 * What stays hidden while the word of one is taken back: a person's, or retention's, of what a note rejected or Callosum
 * withdrew; a note's, of what others hide too, who are taken for persons where only the note's reason is known. What
 * Callosum alone hides then comes again when it is published.
 */
async function settleRemaining(
  trx: Transaction<ArchiveTables>,
  site: string,
  { studyInstanceUid, reason, remaining = [] }: TombstoneMark,
  sequence: number,
): Promise<void> {
  if (remaining.length === 0) return;
  const said =
    reason === 'rejection-note'
      ? sql`reason = case when w.reason <> 'rejection-note' then w.reason
          when w.withdrawn then 'result-withdrawn' when ${othersAdmit} then 'retention' else 'person' end,
          note = null, rejected = false, rejecting_note = null, rejection_admits = null,
          admits_again = coalesce(${othersAdmit}, w.admits_again), others_admit = ${othersAdmit},
          erase_at = ${othersEraseAt}, others_erase_at = ${othersEraseAt}, others_said_at = ${othersSaidAt}`
      : sql`reason = ${saidAlone.reason}, note = ${saidAlone.note}, admits_again = ${saidAlone.admitsAgain},
          erase_at = null, others_erase_at = null, others_said_at = null,
          rejected = ${isRejected}, rejecting_note = case when ${isRejected} then ${rejectingNote} end,
          rejection_admits = case when ${isRejected} then ${rejectionAdmits} end, others_admit = true,
          withdrawn = ${isWithdrawn}`;
  await sql`
    update withheld_instance w set sequence = ${sequence}::bigint, parts_at = ${sequence}::bigint,
      rejection_erase_at = null, rejection_said_at = null, ${said}
    where w.site = ${site} and w.study_instance_uid = ${studyInstanceUid}
      and w.sop_instance_uid = any(${remaining.map(({ sopInstanceUid }) => sopInstanceUid)}::text[])
      and w.withheld and w.sequence < ${sequence}::bigint
      and (${isRejected} or ${isWithdrawn})`.execute(trx);
}
