import { type Selectable, sql, type Transaction } from 'kysely';

import type { PendingRow } from './pending-row.js';
import type { ArchiveTables } from './tables.js';
import { sharesStudies, triesToShareStudies } from './tombstone-lock.js';
import { isLetGoToo, type WithheldRow } from './tombstone-tables.js';

/** What is known of UIDs before their objects get rows. */
export interface KnownUids {
  /** Callosum gave them out (rule 4). */
  readonly issued: ReadonlySet<string>;
  /** A tombstone hides them until they come again, or lets go of them until then. */
  readonly awaited: ReadonlySet<string>;
  /** Studies that somebody owns: of them nothing is known. */
  readonly owned: ReadonlySet<string>;
}

/** What decides whether an instance may come again. */
type Hiding = Pick<Selectable<WithheldRow>, 'admits_again' | 'reason' | 'withdrawn'>;

/** The same, with what is said of evidence: see `isLetGoToo`. */
export type HidingWhole = Hiding & { readonly let_go_too: boolean };

/**
 * Whether receiving an object takes back what hides it. A withdrawn result comes again when Callosum publishes it again,
 * not when a PACS sends back its copy, whoever else spoke of it since; what a recovery finds was received before, and no
 * tombstone says it came again.
 */
export const admits = (hiding: Hiding, row: PendingRow): boolean => hiding.admits_again && comesAgain(hiding, row);

/** Whether receiving an object takes back that retention let go of it, and a note, which says more, hides it still. */
export const isKeptFor = (hiding: HidingWhole, row: PendingRow): boolean =>
  hiding.let_go_too && comesAgain(hiding, row);

/** Whether an object is the instance, come again, as far as it may. */
const comesAgain = (hiding: Pick<Hiding, 'reason' | 'withdrawn'>, row: PendingRow): boolean =>
  row.revisionFloor === 0 && isTheInstance(hiding, row);

/** Whether an object is the instance, now or when it came: of a withdrawn result what others send is its copy. */
export const isTheInstance = (
  { reason, withdrawn }: Pick<Hiding, 'reason' | 'withdrawn'>,
  { intake }: PendingRow,
): boolean => !(withdrawn || reason === 'result-withdrawn') || intake.origin === 'callosum';

/** A study, a UID that was given out, or, with a reason, what is hidden until it comes again. */
type Known = { readonly uid: string; readonly shared: boolean | null } & (
  { readonly reason: null; readonly withdrawn: null } | Pick<Hiding, 'reason' | 'withdrawn'>
);

/**
 * Until the transaction ends, no tombstone of these objects' studies comes in between: the statement that inserts sees
 * all that were recorded before, those after see the rows.
 * @param waits for studies that somebody owns; without, they are named
 */
export async function knownUids(
  trx: Transaction<ArchiveTables>,
  site: string,
  pending: readonly PendingRow[],
  waits: boolean,
): Promise<KnownUids> {
  const uids = pending.map(({ written }) => written.sopInstanceUid);
  const ofStudies = pending.map(({ written }) => written.studyInstanceUid);
  const studies = [...new Set(ofStudies)].sort();
  const { rows } = await sql<Known>`
    select study.uid, study.shared, null::text as reason, null::boolean as withdrawn
      from (${waits ? sharesStudies(studies) : triesToShareStudies(studies)}) as study union all
    select sop_instance_uid, null, null, null from issued_instances
      where sop_instance_uid = any(${uids}::text[]) union all
    select w.sop_instance_uid, null, w.reason, w.withdrawn
      from unnest(${ofStudies}::text[], ${uids}::text[]) as one (study, sop)
      join withheld_instance w on w.site = ${site} and w.study_instance_uid = one.study
        and w.sop_instance_uid = one.sop and w.withheld and (w.admits_again or ${isLetGoToo})`.execute(trx);
  const again = new Map(rows.flatMap((row) => (row.reason === null ? [] : [[row.uid, row] as const])));
  const awaited = pending.filter((row) => {
    const hiding = again.get(row.written.sopInstanceUid);
    return hiding !== undefined && comesAgain(hiding, row);
  });
  const issued = rows.filter(({ reason, shared }) => reason === null && shared === null);
  return {
    issued: new Set(issued.map(({ uid }) => uid)),
    awaited: new Set(awaited.map(({ written }) => written.sopInstanceUid)),
    owned: new Set(rows.filter(({ shared }) => shared === false).map(({ uid }) => uid)),
  };
}
