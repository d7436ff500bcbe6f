import { type Kysely, type RawBuilder, sql } from 'kysely';

import { framePagesOf, pageOfFrame, framesOfPage, readFramePage } from '../domain/frame-pages.js';
import type { SeriesScope } from '../application/queries.js';
import type { FrameFragments, InstanceRecord, StoredPixelLayout } from '../domain/instance.js';
import type { StudyIndexTables } from './tables.js';

/** Pages written in one statement: 2 MB. */
const writtenAtOnce = 100;

/** Writes the pages of an instance that has many frames; there must be none of it. */
export async function putFrames(
  db: Kysely<StudyIndexTables>,
  { sopInstanceUid, blob, pixelData }: Pick<InstanceRecord, 'sopInstanceUid' | 'blob' | 'pixelData'>,
): Promise<void> {
  const rows = framePagesOf(pixelData).map((ranges, page) => ({
    sop_instance_uid: sopInstanceUid,
    page,
    blob_key: blob.key,
    ranges,
  }));
  for (let from = 0; from < rows.length; from += writtenAtOnce)
    await db
      .insertInto('instance_frames')
      .values(rows.slice(from, from + writtenAtOnce))
      .execute();
}

/**
 * Writes the pages of an instance that has many frames and none of them, because a version before indexed it. Nobody is
 * waited for: while its study is written they stay unwritten.
 * @param blobKey of the layout; of another one there are no pages
 */
export async function keepFrames(
  db: Kysely<StudyIndexTables>,
  { studyInstanceUid, sopInstanceUid }: SeriesScope & { readonly sopInstanceUid: string },
  blobKey: string,
  pixelData: StoredPixelLayout | null,
): Promise<void> {
  if (db.isTransaction || framePagesOf(pixelData).length === 0) return;
  await db.transaction().execute(async (trx) => {
    // Whoever writes an instance has locked its study.
    const study = await trx
      .selectFrom('study')
      .select('study_instance_uid')
      .where('study_instance_uid', '=', studyInstanceUid)
      .forUpdate()
      .skipLocked()
      .executeTakeFirst();
    if (!study) return;
    const row = await trx
      .selectFrom('instance')
      .select(['blob_key', 'blob_bytes', 'blob_sha256'])
      .where('sop_instance_uid', '=', sopInstanceUid)
      .where('blob_key', '=', blobKey)
      .executeTakeFirst();
    if (!row) return;
    await trx.deleteFrom('instance_frames').where('sop_instance_uid', '=', sopInstanceUid).execute();
    const blob = { key: row.blob_key, byteCount: row.blob_bytes, sha256: row.blob_sha256 };
    await putFrames(trx, { sopInstanceUid, blob, pixelData });
  });
}

/** Columns of `framePages`. */
export interface FramePages {
  /** Null where an instance has no pages: its row has the layout. */
  readonly pages: number | null;
  readonly page_numbers: readonly number[] | null;
  readonly page_ranges: readonly Uint8Array[] | null;
}

/**
 * For `lateral` beside an instance `i`: how many pages it has, and those with the frames asked for. Pages of another blob
 * are none: a replica of the version before corrects a row and leaves them.
 * @param numbers from 1; empty: all
 */
export function framePages(numbers: readonly number[]): RawBuilder<FramePages> {
  const wanted =
    numbers.length === 0 ? sql`true` : sql`f.page = any(${[...new Set(numbers.map(pageOfFrame))]}::integer[])`;
  return sql<FramePages>`(select nullif(count(*), 0)::integer as pages,
    array_agg(f.page order by f.page) filter (where ${wanted}) as page_numbers,
    array_agg(f.ranges order by f.page) filter (where ${wanted}) as page_ranges
    from instance_frames f where f.sop_instance_uid = i.sop_instance_uid and f.blob_key = i.blob_key)`;
}

/**
 * The frames asked for, in that order, in lists; one that is not there has no fragments.
 * @param numbers from 1; empty: all
 * @returns undefined when a page cannot be read
 */
export function framesOfPages(
  { page_numbers, page_ranges }: FramePages,
  numbers: readonly number[],
): (readonly FrameFragments[])[] | undefined {
  const wanted = new Set(numbers);
  const read: FrameFragments[][] = [];
  const found = new Map<number, FrameFragments>();
  for (const [at, page] of (page_numbers ?? []).entries()) {
    const first = page * framesOfPage + 1;
    const isWanted = wanted.size > 0 ? (place: number): boolean => wanted.has(first + place) : undefined;
    const frames = readFramePage(page_ranges?.[at] ?? new Uint8Array(), isWanted);
    if (!frames) return undefined;
    if (wanted.size === 0) read.push(frames.map((fragments) => fragments ?? []));
    else for (const [place, fragments] of frames.entries()) if (fragments) found.set(first + place, fragments);
  }
  return wanted.size === 0 ? read : [numbers.map((number) => found.get(number) ?? [])];
}
