import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';

import { DatabaseClient, type DatabaseClientConfig, silenceGraceMs } from './client.js';
import type { DatabaseConfig } from './config.js';
import { TlsFiles } from './tls.js';

/** A pool and the typed query builder over it, bound to one schema. */
export interface Database<DB> {
  readonly db: Kysely<DB>;
  readonly pool: pg.Pool;
  readonly schema: string;
  /** A connection of its own beside the pool, to the same server with the same limits; not yet connected. */
  newClient(): pg.Client;
  close(): Promise<void>;
}

/** An administrator's connection: no statement of it is limited by the server. */
export type AdminConfig = Pick<DatabaseConfig, 'host' | 'port' | 'database' | 'user' | 'password' | 'tls'>;

const int8 = 20;
/** Linux would wait two hours before its first probe. Node.js sends ten, one a second. */
const keepAliveAfterMs = 10_000;
/**
 * The same from the server's side, which else keeps the session of a client that vanished, and the advisory locks in it
 * (the relay of an outbox), for two hours; and what it has sent to one without an answer for 15 minutes.
 */
const serverKeepAlive = [
  '-c tcp_keepalives_idle=30',
  '-c tcp_keepalives_interval=10',
  '-c tcp_keepalives_count=3',
  '-c tcp_user_timeout=60000',
];
/** What an administrator does may wait for other people's locks. */
const adminSilentMsMax = 600_000;

/** An administrator's connection, not yet connected. */
export function newAdminClient(admin: AdminConfig, connectTimeoutMs = 10_000): pg.Client {
  const { host, port, database, user, password } = admin;
  return new DatabaseClient({
    host,
    port,
    database,
    user,
    password,
    connectionTimeoutMillis: connectTimeoutMs,
    ...keepAlive,
    options: serverKeepAlive.join(' '),
    tls: admin.tls && new TlsFiles(admin.tls),
    silentMsMax: adminSilentMsMax,
  });
}

// A server whose machine is gone answers nothing, not even a reset: the system's probes find that out where nothing is owed.
const keepAlive = { keepAlive: true, keepAliveInitialDelayMillis: keepAliveAfterMs };

/**
 * Opens a pool whose connections see `schema` first. int8 columns arrive as JavaScript numbers:
 * every count and byte size Callosum keeps fits 2^53, and a larger one throws rather than rounds.
 * Connects lazily: a server that is down shows at the first query. One that vanished shows when it has not answered for
 * the statement timeout and 5 s more, and the connection goes with it.
 */
export function connect<DB>(config: DatabaseConfig, schema: string, onIdleError: (error: Error) => void): Database<DB> {
  const options: DatabaseClientConfig & pg.PoolConfig = {
    host: config.host,
    port: config.port,
    database: config.database,
    user: config.user,
    password: config.password,
    max: config.poolMax,
    application_name: `callosum ${schema}`,
    connectionTimeoutMillis: config.connectTimeoutMs,
    ...keepAlive,
    options: [
      `-c search_path=${schema}`,
      `-c statement_timeout=${config.statementTimeoutMs}`,
      `-c lock_timeout=${config.lockTimeoutMs}`,
      `-c idle_in_transaction_session_timeout=${config.idleInTransactionTimeoutMs}`,
      '-c timezone=UTC',
      ...serverKeepAlive,
    ].join(' '),
    types: { getTypeParser: (oid, format) => (oid === int8 ? parseInt8 : pg.types.getTypeParser(oid, format)) },
    tls: config.tls && new TlsFiles(config.tls),
    silentMsMax: config.statementTimeoutMs + silenceGraceMs,
  };
  const pool = new pg.Pool({ ...options, Client: DatabaseClient as unknown as new () => pg.Client });
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
    newClient: () => new DatabaseClient(options),
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
