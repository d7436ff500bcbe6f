import { type Kysely, sql } from 'kysely';

import type { QueueState } from '../application/forwarding-ports.js';
import type { ForwardingTables } from './forwarding-tables.js';

/** Counting ends here: "a hundred thousand or more" says as much to whoever reads it. */
const countMax = 100_000;

interface StateRow {
  destination: string;
  waiting: number;
  failed: number;
  oldest: number | null;
  error_code: string | null;
  failed_at: Date | null;
  answered_at: Date | null;
  next_attempt_at: Date;
  away: boolean;
}

/** Every destination that something was queued for, by its title. */
export async function queueStates(db: Kysely<ForwardingTables>): Promise<QueueState[]> {
  const { rows } = await sql<StateRow>`
    select d.destination, d.error_code, d.failed_at, d.answered_at, d.next_attempt_at, d.next_attempt_at > now() as away,
      (select count(*) from (select from forward_queue q where q.destination = d.destination and q.state = 'waiting'
        limit ${countMax}) w) as waiting,
      (select count(*) from (select from forward_queue q where q.destination = d.destination and q.state = 'failed'
        limit ${countMax}) f) as failed,
      (select extract(epoch from now() - min(q.created_at))::float8 from forward_queue q
        where q.destination = d.destination and q.state = 'waiting') as oldest
    from forward_destination d order by d.destination`.execute(db);
  return rows.map((row) => ({
    destination: row.destination,
    waiting: Number(row.waiting),
    failed: Number(row.failed),
    oldestSeconds: Math.max(0, row.oldest ?? 0),
    lastErrorCode: row.error_code ?? undefined,
    lastFailedAt: row.failed_at ?? undefined,
    lastAnsweredAt: row.answered_at ?? undefined,
    nextAttemptAt: row.away ? row.next_attempt_at : undefined,
  }));
}
