import type { ObjectStore } from '@callosum/object-store';
import type { Logger } from '@callosum/telemetry';
import { type Kysely, sql } from 'kysely';

import type { ArchiveTables } from './tables.js';
import { listMarks, readMark } from './tombstone-marks.js';
import { type RecordParts, recordTombstone } from './tombstone-record.js';
import { available } from './unavailable.js';

/** Ids asked of the ledger at once. */
const pageIds = 500;

export interface ReplayParts extends RecordParts {
  readonly store: ObjectStore;
  readonly logger: Logger;
}

/** Records the marks between two sequences that have no row. */
export async function replayMarks(parts: ReplayParts, after: number, through: number): Promise<void> {
  let page: { key: string; id: string }[] = [];
  let replayed = 0;
  for await (const one of listMarks(parts.store, parts.site)) {
    if (one.sequence < after) continue;
    if (one.sequence > through) break;
    page.push(one);
    if (page.length < pageIds) continue;
    replayed += await replayAll(parts, page);
    page = [];
  }
  replayed += await replayAll(parts, page);
  if (replayed > 0) parts.logger.info({ tombstones: replayed }, 'archive.tombstones-replayed');
}

async function replayAll(
  parts: ReplayParts,
  page: readonly { readonly key: string; readonly id: string }[],
): Promise<number> {
  if (page.length === 0) return 0;
  const ids = page.map(({ id }) => id);
  const query = parts.db.selectFrom('tombstone').select('tombstone_id').where('tombstone_id', 'in', ids);
  const known = new Set((await available(query.execute())).map((row) => row.tombstone_id));
  let replayed = 0;
  for (const { key, id } of page) {
    if (known.has(id)) continue;
    const mark = await readMark(parts.store, key);
    if (mark && (await available(recordTombstone(parts, mark, { kind: 'as-marked' }))) !== undefined) replayed++;
  }
  return replayed;
}

/** Up to which sequence this database was compared with the marks; 0 when it never was. */
export async function replayedThrough(db: Kysely<ArchiveTables>, site: string): Promise<number> {
  const row = await db.selectFrom('tombstone_replay').select('through').where('site', '=', site).executeTakeFirst();
  return row?.through ?? 0;
}

export async function recordReplayed(db: Kysely<ArchiveTables>, site: string, through: number): Promise<void> {
  await sql`
    insert into tombstone_replay as r (site, through) values (${site}, ${through}::bigint)
    on conflict (site) do update set through = greatest(r.through, excluded.through)`.execute(db);
}
