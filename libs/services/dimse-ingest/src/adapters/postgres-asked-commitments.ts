import type { Database } from '@callosum/database';
import type { CommitmentReport, CommitmentRequest } from '@callosum/dimse';
import { type Kysely, sql } from 'kysely';

import type { AskedCommitments } from '../application/commitment-ports.js';
import { digestOfUids } from '../domain/commitment.js';
import type { CommitmentTables } from './commitment-tables.js';

/** Commitments asked of other nodes, in PostgreSQL. */
export class PostgresAskedCommitments implements AskedCommitments {
  private readonly db: Kysely<CommitmentTables>;

  constructor(database: Database<CommitmentTables>) {
    this.db = database.db;
  }

  async add({ transactionUid, aet, references }: CommitmentRequest & { aet: string }): Promise<void> {
    await this.db
      .insertInto('commitment_asked')
      .values({
        transaction_uid: transactionUid,
        aet,
        instance_count: references.length,
        uids_digest: digestOfUids(references),
      })
      .execute();
  }

  async remove(transactionUid: string): Promise<void> {
    await this.db.deleteFrom('commitment_asked').where('transaction_uid', '=', transactionUid).execute();
  }

  async reported(aet: string, report: CommitmentReport): Promise<boolean> {
    const digest = digestOfUids([...report.committed, ...report.failed]);
    const { rows } = await sql<{ transaction_uid: string }>`
      update commitment_asked set report = coalesce(report, ${JSON.stringify(report)}::json),
        reported_at = coalesce(reported_at, now())
      where transaction_uid = ${report.transactionUid} and aet = ${aet}
        and (uids_digest is null or uids_digest = ${digest}) returning transaction_uid`.execute(this.db);
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
