import { sql, type QueryExecutorProvider } from 'kysely';

import { eventColumns } from './rows.js';
import type { SqlDatabase } from './sql.js';

/** Kafka's own replication is the first safety; a day is what a Kafka that is gone may take to be found out and replaced. */
export const sentHoursDefault = 24;
/** Above every id, and within what a double holds: an outbox of a thousand facts a second gets there in 140,000 years. */
const againBelow = sql.raw(String(2 ** 52));
/** One statement's work: short enough to hold no reader of the log back. */
const pruneRowsMax = 5_000;

/**
 * Facts the log has taken, for some hours: what a log that lost its data is given again (docs/adr/0059). They keep the
 * ids they had in the outbox, and go again under these, taken below 0: before whatever waits there, in the order they went in,
 * and uncounted by the outbox's limit, for nobody is to be refused for what was counted when it was new.
 */
export const Sent = {
  /** Removes rows the log has taken from the outbox, and keeps them here. */
  async keep(db: QueryExecutorProvider, ids: readonly number[]): Promise<void> {
    await sql`with gone as (delete from outbox where id = any(${ids}::bigint[]) returning id, ${eventColumns})
      insert into sent (id, ${eventColumns})
      select case when id > 0 then id else id + ${againBelow} end, ${eventColumns} from gone`.execute(db);
  },

  /**
   * Puts back into the outbox what was sent since a moment, by this database's clock. The relays of the service must not
   * run: what they sent meanwhile would overtake it. Consumers that have handled a fact know its id and do nothing.
   * @returns facts that will be sent again
   */
  again(db: SqlDatabase, since: Date): Promise<number> {
    return db.transaction().execute(async (trx) => {
      const { numAffectedRows } = await sql`
        with back as (delete from sent where sent_at >= ${since} returning id, ${eventColumns})
        insert into outbox (id, ${eventColumns}) overriding system value
        select id - ${againBelow}, ${eventColumns} from back`.execute(trx);
      return Number(numAffectedRows ?? 0n);
    });
  },

  /**
   * Removes what was sent so many hours before the last that was: while a log is away nothing goes of what it may have lost.
   * @param hours 0 keeps nothing, the last neither: what a relay kept before it was told so
   * @returns rows removed
   */
  async prune(db: QueryExecutorProvider, hours: number): Promise<number> {
    for (let removed = 0; ;) {
      const { numAffectedRows } = await sql`
        delete from sent where ctid = any (array(
          select ctid from sent
          where ${hours}::int = 0 or sent_at < (select max(sent_at) from sent) - make_interval(hours => ${hours}::int)
          limit ${pruneRowsMax}
        ))`.execute(db);
      removed += Number(numAffectedRows ?? 0n);
      if (Number(numAffectedRows ?? 0n) < pruneRowsMax) return removed;
    }
  },
};
