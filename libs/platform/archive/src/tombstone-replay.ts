import { ObjectNotFoundError, type ObjectStore } from '@callosum/object-store';
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
  let page: Listed[] = [];
  let replayed = 0;
  for await (const one of listMarks(parts.store, parts.site, after)) {
    if (one.sequence > through) break;
    page.push(one);
    if (page.length < pageIds) continue;
    replayed += await replayAll(parts, page);
    page = [];
  }
  replayed += await replayAll(parts, page);
  if (replayed > 0) parts.logger.info({ tombstones: replayed }, 'archive.tombstones-replayed');
}

/** Studies of marks from a sequence on that have no row: it is about to be written, or a database lost it. */
export async function studiesUndecided(parts: ReplayParts, from: number): Promise<ReadonlySet<string>> {
  const studies = new Set<string>();
  const young: Listed[] = [];
  // Listed anew: the replay of many may have taken long, and what came meanwhile counts.
  for await (const one of listMarks(parts.store, parts.site, from)) young.push(one);
  for (let at = 0; at < young.length; at += pageIds) {
    for (const { key } of await withoutRow(parts, young.slice(at, at + pageIds))) {
      const mark = await readMark(parts.store, key).catch(noneIfGone);
      if (mark) studies.add(mark.studyInstanceUid);
    }
  }
  return studies;
}

/** Deleted meanwhile by who wrote it: nothing was decided. */
function noneIfGone(error: unknown): undefined {
  if (error instanceof ObjectNotFoundError) return undefined;
  throw error;
}

interface Listed {
  readonly key: string;
  readonly id: string;
}

async function withoutRow<T extends Listed>({ db }: ReplayParts, page: readonly T[]): Promise<T[]> {
  const ids = page.map(({ id }) => id);
  const query = db.selectFrom('tombstone').select('tombstone_id').where('tombstone_id', 'in', ids);
  const known = new Set((await available(query.execute())).map((row) => row.tombstone_id));
  return page.filter(({ id }) => !known.has(id));
}

async function replayAll(parts: ReplayParts, page: readonly Listed[]): Promise<number> {
  if (page.length === 0) return 0;
  let replayed = 0;
  for (const { key } of await withoutRow(parts, page)) {
    const mark = await readMark(parts.store, key).catch(noneIfGone);
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
