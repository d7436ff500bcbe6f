import type { Outbox } from '@callosum/event-log';
import type { Clock } from '@callosum/kernel';
import { type Kysely, sql } from 'kysely';

import { indexInstance, type IndexTransaction, removeInstance } from '../application/index-instance.js';
import type { ReindexTarget } from '../application/reindex.js';
import type { InstanceRecord, StoredInstance } from '../domain/instance.js';
import type { QuietPeriods } from '../domain/study.js';
import { PostgresIndexTransaction } from './index-transaction.js';
import type { StudyIndexTables } from './tables.js';

/** Rows to remove that are read at once. */
const pageRows = 500;

export class PostgresReindexTarget implements ReindexTarget {
  constructor(
    private readonly db: Kysely<StudyIndexTables>,
    private readonly outbox: Outbox,
    private readonly clock: Clock,
    private readonly periods: QuietPeriods,
  ) {}

  async begin(): Promise<Date> {
    const { rows } = await sql<{ now: Date }>`select now() as now`.execute(this.db);
    const [row] = rows;
    if (!row) throw new RangeError('PostgreSQL told no time');
    return row.now;
  }

  async holds({ sopInstanceUid, blob }: StoredInstance): Promise<boolean> {
    const row = await this.db
      .selectFrom('instance')
      .select('sop_instance_uid')
      .where('sop_instance_uid', '=', sopInstanceUid)
      .where('blob_sha256', '=', blob.sha256)
      .executeTakeFirst();
    return row !== undefined;
  }

  put(record: InstanceRecord, revisionFloor: number): Promise<void> {
    return this.within(async (transaction) => {
      await indexInstance(transaction, record, this.periods, revisionFloor);
    });
  }

  async keep(sopInstanceUid: string): Promise<void> {
    await this.db
      .updateTable('instance')
      .set({ seen_at: sql`now()` })
      .where('sop_instance_uid', '=', sopInstanceUid)
      .execute();
  }

  async removeUnseen(since: Date): Promise<number> {
    for (let removed = 0; ;) {
      const unseen = await this.db
        .selectFrom('instance')
        .select('sop_instance_uid')
        .where('seen_at', '<', since)
        .limit(pageRows)
        .execute();
      for (const { sop_instance_uid } of unseen) {
        await this.within((transaction) => removeInstance(transaction, sop_instance_uid, this.periods));
      }
      removed += unseen.length;
      if (unseen.length < pageRows) return removed;
    }
  }

  private within(work: (transaction: IndexTransaction) => Promise<void>): Promise<void> {
    return this.db
      .transaction()
      .execute((trx) => work(new PostgresIndexTransaction(trx, this.outbox, this.clock, {}, true)));
  }
}
