import { type Kysely, type RawBuilder, sql } from 'kysely';

import type { TombstoneScope } from './kept-scope.js';
import { admits, type HidingWhole, isKeptFor } from './known-uids.js';
import type { IsOvertakenBy } from './note-decisions.js';
import type { PendingRow } from './pending-row.js';
import type { ArchiveTables } from './tables.js';
import type { WithheldInstance } from './tombstone-marks.js';
import {
  isLetGoToo,
  isRejected,
  isWithdrawn,
  othersAdmit,
  rejectingNote,
  rejectionAdmits,
} from './tombstone-tables.js';

/** What a restore, or a note that is taken back, does with what is hidden of a scope. */
export interface Restorable {
  /** Shown again. */
  readonly instances: WithheldInstance[];
  /** Hidden still, by what others said: what was said beside it is taken back. */
  readonly remaining: WithheldInstance[];
  /** Anything is hidden, whatever is done with it. */
  readonly isHidden: boolean;
}

interface Said {
  readonly reason: RawBuilder<string>;
  readonly note: RawBuilder<string | null>;
  readonly admitsAgain: RawBuilder<boolean>;
}

/** What is said of the row `w`, which is rejected or withdrawn, once nobody else hides it. */
export const saidAlone: Said = {
  // What Callosum withdrew comes again when it publishes that, whatever a note says too, and not when a PACS sends its copy.
  reason: sql<string>`case when ${isWithdrawn} then 'result-withdrawn' else 'rejection-note' end`,
  note: sql<string | null>`case when ${isRejected} and not ${isWithdrawn} then ${rejectingNote} end`,
  admitsAgain: sql<boolean>`case when ${isRejected} then ${rejectionAdmits} else true end`,
};

/** Not where a note alone hides it: what that says stays as it is. Where others keep it from coming again, they said so. */
const saysMore = sql<boolean>`w.note is null and (${othersAdmit} is not true
  or (w.reason, w.note, w.admits_again, w.erase_at) is distinct from
    (${saidAlone.reason}, ${saidAlone.note}, ${saidAlone.admitsAgain}, null::timestamptz))`;

const ofInstance = sql`from intake i where i.site = w.site and i.sop_instance_uid = w.sop_instance_uid
  and i.study_instance_uid = w.study_instance_uid`;
/**
 * Where its study shows the instance `w`. Where it does not, but for what is erased: where a copy is that stands alone, as
 * it was named. Where nothing came of it, as it was named: a note may be wrong about that, or say nothing.
 */
const seriesUid = sql<string>`coalesce(
  (select i.series_instance_uid ${ofInstance} and i.current and i.erased_at is null),
  (select i.series_instance_uid ${ofInstance} order by i.series_instance_uid <> w.series_instance_uid,
    i.erased_at is not null, not i.current, i.revision limit 1),
  w.series_instance_uid)`;

interface Row extends WithheldInstance {
  /** It is shown again. */
  readonly shown: boolean;
  /** It stays hidden, and something of what hides it is taken back. */
  readonly changed: boolean;
}

/**
 * Instances of a scope that are hidden, received or not.
 * @param all also what a note rejected and what Callosum withdrew, which stay hidden otherwise
 */
export async function hiddenIn(
  db: Kysely<ArchiveTables>,
  site: string,
  { studyInstanceUid, seriesInstanceUid, sopInstanceUid }: TombstoneScope,
  all: boolean,
): Promise<Restorable> {
  const ofSeries = seriesInstanceUid === undefined ? sql`true` : sql`${seriesUid} = ${seriesInstanceUid}`;
  const isNamed = sopInstanceUid === undefined ? sql`true` : sql`w.sop_instance_uid = ${sopInstanceUid}`;
  const stays = all ? sql`false` : sql`(${isRejected} or ${isWithdrawn})`;
  const { rows } = await sql<Row>`
    select ${seriesUid} as "seriesInstanceUid", w.sop_instance_uid as "sopInstanceUid",
      not ${stays} as shown, ${stays} and ${saysMore} as changed
    from withheld_instance w
    where w.site = ${site} and w.study_instance_uid = ${studyInstanceUid} and w.withheld
      and ${ofSeries} and ${isNamed} order by w.sop_instance_uid`.execute(db);
  return restorableOf(rows);
}

/** What a note, as it is now, takes back of what it said. */
export interface TakenBack {
  readonly note: string;
  readonly isWrong: (sopInstanceUid: string) => boolean;
  /** Of what rejects nothing any more: an earlier revision that comes after it hides nothing. */
  readonly cause?: string | undefined;
  /** That is so where there was nothing to take back, too. */
  readonly leavesWord?: boolean | undefined;
  readonly isOvertakenBy?: IsOvertakenBy | undefined;
  /** When this revision of it was stored. */
  readonly revisedAt?: Date | undefined;
}

/** Instances of a study that this one note rejected: shown again where it alone hides them. */
export async function rejectedBy(
  db: Kysely<ArchiveTables>,
  site: string,
  studyInstanceUid: string,
  { note, isWrong }: Pick<TakenBack, 'note' | 'isWrong'>,
): Promise<Restorable> {
  const { rows } = await sql<Row>`
    select ${seriesUid} as "seriesInstanceUid", w.sop_instance_uid as "sopInstanceUid",
      w.note is not null as shown, w.note is null as changed
    from withheld_instance w
    where w.site = ${site} and w.study_instance_uid = ${studyInstanceUid} and w.withheld
      and ${isRejected} and ${rejectingNote} = ${note} order by w.sop_instance_uid`.execute(db);
  return restorableOf(rows.filter(({ sopInstanceUid }) => isWrong(sopInstanceUid)));
}

/** What comes again: shown, or, where a note keeps it, hidden still, and nothing that retention let go of any more. */
export async function receivedAgain(
  db: Kysely<ArchiveTables>,
  site: string,
  row: PendingRow,
  received: readonly WithheldInstance[],
): Promise<Restorable> {
  const bySop = new Map(received.map((one) => [one.sopInstanceUid, one]));
  const { rows } = await sql<HidingWhole & { readonly sop: string }>`
    select w.sop_instance_uid as sop, w.reason, w.admits_again, w.withdrawn, ${isLetGoToo} as let_go_too
    from withheld_instance w
    where w.site = ${site} and w.study_instance_uid = ${row.written.studyInstanceUid} and w.withheld
      and w.sop_instance_uid = any(${[...bySop.keys()]}::text[]) order by w.sop_instance_uid`.execute(db);
  return restorableOf(
    rows.flatMap((hiding) => {
      const one = bySop.get(hiding.sop);
      return one ? [{ ...one, shown: admits(hiding, row), changed: isKeptFor(hiding, row) }] : [];
    }),
  );
}

function restorableOf(rows: readonly Row[]): Restorable {
  const named = (chosen: readonly Row[]): WithheldInstance[] =>
    chosen.map(({ seriesInstanceUid, sopInstanceUid }) => ({ seriesInstanceUid, sopInstanceUid }));
  return {
    instances: named(rows.filter(({ shown }) => shown)),
    remaining: named(rows.filter(({ changed }) => changed)),
    isHidden: rows.length > 0,
  };
}

export const isNothing = ({ instances, remaining }: Restorable): boolean => instances.length + remaining.length === 0;

export function isSame(one: Restorable, other: Restorable): boolean {
  const uids = ({ instances, remaining }: Restorable): string =>
    JSON.stringify([instances, remaining].map((named) => named.map(({ sopInstanceUid }) => sopInstanceUid)));
  return uids(one) === uids(other);
}
