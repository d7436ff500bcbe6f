import { type Kysely, type RawBuilder, sql } from 'kysely';

import type { PullState, PullView } from '../application/pull-ports.js';
import type { PullSelector } from '../domain/pull.js';
import type { PullTables } from './pull-tables.js';

interface ViewRow {
  id: string;
  number: number;
  source: string;
  selector: unknown;
  state: 'open' | 'completed' | 'failed' | 'cancelled';
  is_found: boolean;
  leased: boolean;
  error_code: string | null;
  requested_by: string;
  created_at: Date;
  ended_at: Date | null;
  next_attempt_at: Date;
  delayed: boolean;
  found: number;
  asked: number;
  failed_studies: number;
  expected: number;
  received: number;
  failed: number;
}

/** Pulls with the sums of their studies, newest first. */
export async function pullViews(
  db: Kysely<PullTables>,
  where: RawBuilder<unknown>,
  limit: number,
): Promise<PullView[]> {
  const { rows } = await sql<ViewRow>`
    select p.id, p.number, p.source, p.selector, p.state, p.is_found, coalesce(p.lease_until > now(), false) as leased,
      p.error_code, p.requested_by, p.created_at, p.ended_at, p.next_attempt_at, p.next_attempt_at > now() as delayed, s.*
    from pull p, lateral (
      select count(*) as found, count(*) filter (where attempts + received + failed > 0) as asked,
        count(*) filter (where state = 'failed') as failed_studies, coalesce(sum(expected), 0)::bigint as expected,
        coalesce(sum(received), 0)::bigint as received, coalesce(sum(failed), 0)::bigint as failed
      from pull_study where pull_id = p.id) s
    where ${where} order by p.number desc limit ${limit}`.execute(db);
  return rows.map(viewOf);
}

const viewOf = (row: ViewRow): PullView => ({
  id: row.id,
  number: row.number,
  source: row.source,
  selector: (row.selector as PullSelector | null) ?? undefined,
  state: stateOf(row),
  errorCode: row.error_code ?? undefined,
  found: row.is_found ? Number(row.found) : undefined,
  asked: Number(row.asked),
  failedStudies: Number(row.failed_studies),
  expected: Number(row.expected),
  received: Number(row.received),
  failed: Number(row.failed),
  requestedBy: row.requested_by,
  createdAt: row.created_at,
  endedAt: row.ended_at ?? undefined,
  nextAttemptAt: row.state === 'open' && row.delayed ? row.next_attempt_at : undefined,
});

function stateOf({ state, is_found, leased }: ViewRow): PullState {
  if (state !== 'open') return state;
  if (!leased) return 'waiting';
  return is_found ? 'retrieving' : 'finding';
}
