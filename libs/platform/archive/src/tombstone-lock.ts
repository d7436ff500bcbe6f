import { type RawBuilder, sql, type Transaction } from 'kysely';

import type { ArchiveTables } from './tables.js';

const key = sql`hashtext('callosum.archive.tombstone')`;

/**
 * A query of rows `uid`, a study, that lets the transaction write rows of these studies beside others that do: what records a
 * tombstone of one of them waits for all, and they for it. Part of a query that is asked anyway.
 */
export const sharesStudies = (
  studyInstanceUids: readonly string[],
): RawBuilder<{ uid: string; shared: boolean | null }> =>
  sql`select study as uid, pg_advisory_xact_lock_shared(${key}, hashtext(study)) is not null as shared
    from unnest(${[...studyInstanceUids]}::text[]) as study`;

/**
 * The same without a wait: rows `uid`, a study, and whether it is shared; false where somebody owns it or waits to.
 */
export const triesToShareStudies = (
  studyInstanceUids: readonly string[],
): RawBuilder<{ uid: string; shared: boolean | null }> =>
  sql`select study as uid, pg_try_advisory_xact_lock_shared(${key}, hashtext(study)) as shared
    from unnest(${[...studyInstanceUids]}::text[]) as study`;

/** Waits for all that store into the study or erase from it, and lets nobody begin until the transaction ends. */
export async function ownStudy(trx: Transaction<ArchiveTables>, studyInstanceUid: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(${key}, hashtext(${studyInstanceUid}))`.execute(trx);
}
