import type { QueryExecutorProvider } from 'kysely';

/** Any Kysely transaction, whatever tables it is typed for: our statements name their own tables. */
export interface SqlTransaction extends QueryExecutorProvider {
  readonly isTransaction: true;
}

/** What we need of a Kysely instance, whatever tables it is typed for. */
export interface SqlDatabase extends QueryExecutorProvider {
  transaction(): { execute<T>(work: (trx: SqlTransaction) => Promise<T>): Promise<T> };
  connection(): { execute<T>(work: (connection: QueryExecutorProvider) => Promise<T>): Promise<T> };
}

/** The columns every stored event has, in outbox, log and parked work. */
export interface EventRow {
  readonly topic: string;
  readonly key: string;
  readonly event_id: string;
  readonly type: string;
  readonly source: string;
  readonly time: Date;
  readonly site: string;
  readonly correlation_id: string;
  readonly causation_id: string | null;
  readonly traceparent: string | null;
  readonly error_code: string | null;
  readonly value: string;
}
