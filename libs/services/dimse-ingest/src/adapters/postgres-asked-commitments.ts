import type { Database } from '@callosum/database';
import type { CommitmentReport } from '@callosum/dimse';
import { type Kysely, sql } from 'kysely';

import type { AskedCommitments } from '../application/commitment-ports.js';
import type { CommitmentTables } from './commitment-tables.js';

/** Commitments asked of other nodes, in PostgreSQL. */
export class PostgresAskedCommitments implements AskedCommitments {
  private readonly db: Kysely<CommitmentTables>;

  constructor(database: Database<CommitmentTables>) {
    this.db = database.db;
  }

  async add(asked: { transactionUid: string; aet: string; instanceCount: number }): Promise<void> {
    await this.db
      .insertInto('commitment_asked')
      .values({ transaction_uid: asked.transactionUid, aet: asked.aet, instance_count: asked.instanceCount })
      .execute();
  }

  async remove(transactionUid: string): Promise<void> {
    await this.db.deleteFrom('commitment_asked').where('transaction_uid', '=', transactionUid).execute();
  }

  async reported(report: CommitmentReport): Promise<boolean> {
    const { rows } = await sql<{ transaction_uid: string }>`
      update commitment_asked set report = coalesce(report, ${JSON.stringify(report)}::json),
        reported_at = coalesce(reported_at, now())
      where transaction_uid = ${report.transactionUid} returning transaction_uid`.execute(this.db);
    return rows.length > 0;
  }

  async reportOf(transactionUid: string): Promise<CommitmentReport | undefined> {
    const row = await this.db
      .selectFrom('commitment_asked')
      .select('report')
      .where('transaction_uid', '=', transactionUid)
      .executeTakeFirst();
    return row?.report ?? undefined;
  }

  async forget(days: number): Promise<void> {
    await sql`
      delete from commitment_asked where requested_at < now() - make_interval(days => ${days}::int)`.execute(this.db);
  }
}
