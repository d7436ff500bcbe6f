import { topicCatalogue } from '@callosum/contracts';
import { sql, type QueryExecutorProvider } from 'kysely';

import type { LogEvent } from './event.js';
import type { SqlTransaction } from './sql.js';

/** A week more than the longest topic: nothing can be read again whose row is gone. */
export const inboxRetentionDays = Math.max(...topicCatalogue.map((topic) => topic.retentionDays)) + 7;
/** One statement's work: short enough to hold no reader of the log back. */
const pruneRowsMax = 5_000;

/** Makes a consumer's effect happen once: its row is written in the transaction of the effect. */
export const Inbox = {
  /** True for the first time; false when this group's effect of this event is already committed. */
  async once(trx: SqlTransaction, group: string, event: Pick<LogEvent, 'id'>): Promise<boolean> {
    const { numAffectedRows } = await sql`
      insert into inbox (consumer_group, event_id) values (${group}, ${event.id})
      on conflict do nothing`.execute(trx);
    return numAffectedRows === 1n;
  },

  /** The same of several at once. @returns ids of those whose effect is not committed yet */
  async onceOf(
    trx: SqlTransaction,
    group: string,
    events: readonly Pick<LogEvent, 'id'>[],
  ): Promise<ReadonlySet<string>> {
    const { rows } = await sql<{ event_id: string }>`
      insert into inbox (consumer_group, event_id)
      select ${group}, id from unnest(${events.map(({ id }) => id)}::text[]) as one (id)
      on conflict do nothing returning event_id`.execute(trx);
    return new Set(rows.map(({ event_id }) => event_id));
  },

  /** Removes rows older than any topic's retention. @returns rows removed */
  async prune(db: QueryExecutorProvider, days: number = inboxRetentionDays): Promise<number> {
    for (let removed = 0; ;) {
      const { numAffectedRows } = await sql`
        delete from inbox where ctid = any (array(
          select ctid from inbox where received_at < now() - make_interval(days => ${days}::int) limit ${pruneRowsMax}
        ))`.execute(db);
      removed += Number(numAffectedRows ?? 0n);
      if (Number(numAffectedRows ?? 0n) < pruneRowsMax) return removed;
    }
  },
};
