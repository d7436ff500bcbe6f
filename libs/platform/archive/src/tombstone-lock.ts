import { type RawBuilder, sql, type Transaction } from 'kysely';

import type { ArchiveTables } from './tables.js';

const key = sql`hashtext('callosum.archive.tombstone')`;

/**
 * A query of rows `uid` = '' that lets the transaction write rows of these studies beside others that do: what records a
 * tombstone of one of them waits for all, and they for it. Part of a query that is asked anyway.
 */
export const sharesStudies = (studyInstanceUids: readonly string[]): RawBuilder<{ uid: string }> =>
  sql`select pg_advisory_xact_lock_shared(${key}, hashtext(study))::text as uid
    from unnest(${[...studyInstanceUids]}::text[]) as study`;

/** Waits for all that store into the study or erase from it, and lets nobody begin until the transaction ends. */
export async function ownStudy(trx: Transaction<ArchiveTables>, studyInstanceUid: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(${key}, hashtext(${studyInstanceUid}))`.execute(trx);
}
