import { sql, type QueryExecutorProvider } from 'kysely';

import type { EventRow } from '../sql.js';

export interface Position {
  readonly topic: string;
  readonly partition: number;
  readonly xid: string;
  readonly position: number;
}

export interface LoggedRow extends EventRow {
  /** Index into the positions asked for. */
  readonly lane: number;
  readonly xid: string;
  readonly position: number;
}

/**
 * Events after each position, in the order (xid, position), of transactions older than every open writing
 * transaction. Sequence numbers are drawn before commit, so a reader that passed an open transaction would
 * never come back for its events.
 */
export async function fetchEvents(
  db: QueryExecutorProvider,
  positions: readonly Position[],
  perPartitionMax: number,
  rowsMax: number,
): Promise<LoggedRow[]> {
  const { rows } = await sql<LoggedRow>`
    select c.lane::int - 1 as lane, e.*
    from unnest(
      ${positions.map(({ topic }) => topic)}::text[],
      ${positions.map(({ partition }) => partition)}::int[],
      ${positions.map(({ xid }) => xid)}::text[],
      ${positions.map(({ position }) => position)}::bigint[]
    ) with ordinality as c (topic, partition, xid, position, lane)
    cross join lateral (
      select xid::text as xid, position, topic, key, event_id, type, source, time, site,
        correlation_id, causation_id, traceparent, error_code, value
      from event_log.events as logged
      where logged.topic = c.topic and logged.partition = c.partition
        and (logged.xid, logged.position) > (c.xid::xid8, c.position)
        and logged.xid < pg_snapshot_xmin(pg_current_snapshot())
      order by logged.xid, logged.position
      limit ${perPartitionMax}
    ) as e
    order by c.lane, e.xid::xid8, e.position
    limit ${rowsMax}`.execute(db);
  return rows;
}
