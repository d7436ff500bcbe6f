import { type Kysely, sql } from 'kysely';

import type { ArchiveTables } from './tables.js';
import { isRejected, type TombstoneEffect, type TombstoneReason } from './tombstone-tables.js';

/** One decision about a study. */
export interface TombstoneEntry {
  readonly tombstoneId: string;
  readonly sequence: number;
  readonly effect: TombstoneEffect;
  readonly reason: TombstoneReason;
  readonly code: { readonly value: string; readonly scheme: string } | undefined;
  readonly actor: string;
  readonly instances: number;
  readonly recordedAt: Date;
}

/** What stands of a study now. */
export interface TombstoneStatus {
  /** Of the last tombstone; 0 when there is none. */
  readonly sequence: number;
  readonly legalHold: { readonly actor: string; readonly placedAt: Date } | undefined;
  /** Instances that are shown. */
  readonly shown: number;
  /** Received instances that are hidden and kept. */
  readonly hidden: number;
  /** Those of the hidden ones that a note rejected: no restore shows them that does not name them. */
  readonly rejected: number;
  readonly erased: number;
  /** When the first of the hidden ones is erased, unless a legal hold keeps it; undefined when none is to be. */
  readonly eraseAt: Date | undefined;
  /** The newest first. */
  readonly tombstones: readonly TombstoneEntry[];
}

/** A study has a handful; one that others hide and restore for years still answers shortly. */
const entriesMax = 100;

export async function statusOf(
  db: Kysely<ArchiveTables>,
  site: string,
  studyInstanceUid: string,
): Promise<TombstoneStatus> {
  const tombstones = await db
    .selectFrom('tombstone')
    .selectAll()
    .where('site', '=', site)
    .where('study_instance_uid', '=', studyInstanceUid)
    .orderBy('sequence', 'desc')
    .limit(entriesMax)
    .execute();
  const hold = await db
    .selectFrom('legal_hold')
    .select(['actor', 'placed_at as placedAt'])
    .where('site', '=', site)
    .where('study_instance_uid', '=', studyInstanceUid)
    .executeTakeFirst();
  const { rows } = await sql<{ shown: number; hidden: number; rejected: number; erased: number; eraseAt: Date | null }>`
    select count(*) filter (where not i.withheld)::float8 as shown,
      count(*) filter (where i.withheld and i.erased_at is null)::float8 as hidden,
      count(*) filter (where i.withheld and i.erased_at is null and ${isRejected})::float8 as rejected,
      count(*) filter (where i.erased_at is not null)::float8 as erased,
      min(w.erase_at) filter (where i.withheld and i.erased_at is null) as "eraseAt"
    from intake i left join withheld_instance w
      on w.site = i.site and w.study_instance_uid = i.study_instance_uid and w.sop_instance_uid = i.sop_instance_uid
    where i.site = ${site} and i.current and i.study_instance_uid = ${studyInstanceUid}`.execute(db);
  const [counts] = rows;
  return {
    sequence: tombstones[0]?.sequence ?? 0,
    legalHold: hold,
    shown: counts?.shown ?? 0,
    hidden: counts?.hidden ?? 0,
    rejected: counts?.rejected ?? 0,
    erased: counts?.erased ?? 0,
    eraseAt: counts?.eraseAt ?? undefined,
    tombstones: tombstones.map((row) => ({
      tombstoneId: row.tombstone_id,
      sequence: row.sequence,
      effect: row.effect,
      reason: row.reason,
      code: row.code_value === null ? undefined : { value: row.code_value, scheme: row.code_scheme ?? '' },
      actor: row.actor,
      instances: row.instance_count,
      recordedAt: row.recorded_at,
    })),
  };
}
