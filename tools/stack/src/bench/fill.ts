import type { DatabaseConfig } from '@callosum/database';
import pg from 'pg';

export type IndexDatabase = Pick<DatabaseConfig, 'host' | 'port' | 'user' | 'password' | 'database'>;

/** A statement, and the values it has parameters for. */
export type Insert = readonly [text: string, values?: unknown[]];

export interface Filling {
  readonly studies: number;
  /** Studies of one transaction. */
  readonly batchRows: number;
  readonly statementMsMax: number;
  /** Whether each transaction waits for the disk. */
  readonly isFlushed: boolean;
  /** What writes the studies of these numbers, the last one included. */
  readonly inserts: (first: number, last: number) => readonly Insert[];
}

/**
 * Writes studies of one series and one instance straight into study-index's tables, as it would have indexed them: what is
 * measured is how they are found. There are no blobs behind them.
 */
export async function fillTables(
  { host, port, user, password, database }: IndexDatabase,
  { studies, batchRows, statementMsMax, isFlushed, inserts }: Filling,
): Promise<void> {
  const client = new pg.Client({ host, port, user, password, database, statement_timeout: statementMsMax });
  await client.connect();
  try {
    await client.query('set search_path to study_index');
    if (!isFlushed) await client.query('set synchronous_commit to off');
    for (let first = 0; first < studies; first += batchRows) {
      const all = inserts(first, Math.min(studies, first + batchRows) - 1);
      await client.query('begin');
      for (const [text, values] of all) await client.query(text, values);
      await client.query('commit');
    }
    // Indexes as a running archive has them: nothing of GIN is left to be put in its place.
    await client.query('vacuum (analyze) patient, study, series, instance');
  } finally {
    await client.end();
  }
}
