import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';

import type { DatabaseConfig } from './config.js';

/** A pool and the typed query builder over it, bound to one schema. */
export interface Database<DB> {
  readonly db: Kysely<DB>;
  readonly pool: pg.Pool;
  readonly schema: string;
  close(): Promise<void>;
}

const int8 = 20;
/** Linux would wait two hours before its first probe. */
const keepAliveAfterMs = 10_000;

/**
 * Opens a pool whose connections see `schema` first. int8 columns arrive as JavaScript numbers:
 * every count and byte size Callosum keeps fits 2^53, and a larger one throws rather than rounds.
 * Connects lazily: a server that is down shows at the first query.
 */
export function connect<DB>(config: DatabaseConfig, schema: string, onIdleError: (error: Error) => void): Database<DB> {
  const pool = new pg.Pool({
    host: config.host,
    port: config.port,
    database: config.database,
    user: config.user,
    password: config.password,
    max: config.poolMax,
    application_name: `callosum ${schema}`,
    connectionTimeoutMillis: config.connectTimeoutMs,
    // A server whose machine is gone answers nothing, not even a reset: the system's probes find that out.
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveAfterMs,
    options: [
      `-c search_path=${schema}`,
      `-c statement_timeout=${config.statementTimeoutMs}`,
      `-c lock_timeout=${config.lockTimeoutMs}`,
      `-c idle_in_transaction_session_timeout=${config.idleInTransactionTimeoutMs}`,
      '-c timezone=UTC',
    ].join(' '),
    types: { getTypeParser: (oid, format) => (oid === int8 ? parseInt8 : pg.types.getTypeParser(oid, format)) },
  });
  let closing = false;
  // A server that stops after us cuts what we are closing: nobody need hear of that.
  const lost = (error: Error): void => {
    if (!closing) onIdleError(error);
  };
  // Without a listener an idle connection that the server closes ends the process.
  pool.on('error', lost);
  // One that is checked out between two queries (a transaction the server cuts) has only its own listeners.
  pool.on('connect', (client) => client.on('error', lost));
  const db = new Kysely<DB>({ dialect: new PostgresDialect({ pool }) });
  return {
    db,
    pool,
    schema,
    close: () => {
      closing = true;
      return db.destroy();
    },
  };
}

function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError('int8 value beyond 2^53');
  return value;
}
