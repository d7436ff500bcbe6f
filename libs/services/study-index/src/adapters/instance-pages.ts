import { type Expression, type Kysely, type RawBuilder, sql } from 'kysely';

import type { InstanceScope } from '../application/queries.js';
import type { StudyIndexTables } from './tables.js';

/** Where a page of instances ends. */
export interface InstancePosition {
  readonly series_instance_uid: string;
  readonly instance_number: number | null;
  readonly sop_instance_uid: string;
}

/** Instances without a number come last. */
const lastNumber = 2 ** 31;
const numberOrLast = sql<number>`coalesce(instance_number, ${sql.lit(lastNumber)}::bigint)`;
const inOrder = sql`series_instance_uid, ${numberOrLast}, sop_instance_uid`;

/** Instance order: series, then instance number, then UID; pages go on after a row, so that none is skipped. */
export function inInstanceOrder(
  db: Kysely<StudyIndexTables>,
  scope: InstanceScope,
  after: InstancePosition | undefined,
) {
  let query = db
    .selectFrom('instance')
    .where('study_instance_uid', '=', scope.studyInstanceUid)
    .orderBy('series_instance_uid')
    .orderBy(numberOrLast)
    .orderBy('sop_instance_uid');
  if (scope.seriesInstanceUid) query = query.where('series_instance_uid', '=', scope.seriesInstanceUid);
  if (scope.sopInstanceUid) query = query.where('sop_instance_uid', '=', scope.sopInstanceUid);
  if (after) {
    const number = after.instance_number ?? lastNumber;
    query = query.where(
      sql<boolean>`(series_instance_uid, ${numberOrLast}, sop_instance_uid) >
        (${after.series_instance_uid}, ${number}::bigint, ${after.sop_instance_uid})`,
    );
  }
  return query;
}

export interface Page<Row> {
  readonly rows: readonly Row[];
  /** There are no rows behind it. */
  readonly isLast: boolean;
}

/** A page of all rows that were found. @param rowsMax as many as were asked for */
export const pageOf = <Row>(rows: readonly Row[], rowsMax: number): Page<Row> => ({
  rows,
  isLast: rows.length < rowsMax,
});

/**
 * Bytes of what is read of one page as PostgreSQL keeps it: metadata and layouts are kept in a quarter to a tenth of what
 * they are as text, and pieces as they are. Two hundred slices are below it, and of enhanced objects with megabytes there
 * are a few on a page.
 */
const keptBytesMax = 800_000;

/**
 * Rows of a page in its order, as many as may be in memory together, and one at least. Which those are is found by the
 * sizes of the columns: what is left out is not read.
 * @param page rows in instance order, with the columns that are wanted as they stand
 */
export async function fittingPage<Row extends InstancePosition>(
  db: Kysely<StudyIndexTables>,
  page: Expression<unknown>,
  {
    columns,
    bytes,
    rowsMax,
  }: {
    /** Of `page`, worked out for those that fit. */
    readonly columns: RawBuilder<unknown>;
    /** Of a row of `page`. */
    readonly bytes: RawBuilder<unknown>;
    /** As many as `page` has at most. */
    readonly rowsMax: number;
  },
): Promise<Page<Row>> {
  const { rows } = await sql<Row & { page_rows: number }>`
    select ${columns}, page_rows from (
      select page.*, row_number() over w as place, sum(${bytes}) over w as bytes_so_far,
        (count(*) over ())::integer as page_rows
      from ${page} as page window w as (order by ${inOrder})) as sized
    where place = 1 or bytes_so_far <= ${keptBytesMax} order by place`.execute(db);
  const found = rows[0]?.page_rows ?? 0;
  return { rows, isLast: found < rowsMax && rows.length === found };
}

/** All pages: nothing is held in the database while the caller takes its time. */
export async function* pagesOf<Row extends InstancePosition>(
  read: (after: InstancePosition | undefined) => Promise<Page<Row>>,
): AsyncGenerator<readonly Row[]> {
  for (let after: InstancePosition | undefined; ;) {
    const { rows, isLast } = await read(after);
    yield rows;
    after = rows.at(-1);
    if (isLast || !after) return;
  }
}

/** All rows, page after page. */
export async function* pageByPage<Row extends InstancePosition>(
  read: (after: InstancePosition | undefined) => Promise<Page<Row>>,
): AsyncGenerator<Row> {
  for await (const rows of pagesOf(read)) yield* rows;
}
