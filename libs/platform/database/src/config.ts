import type { DatabaseTls } from './tls.js';

/** How a service reaches PostgreSQL. Passwords stay in here: nothing logs this object. */
export interface DatabaseConfig {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  /** None when not given: for a server on the same machine, or a network that encrypts by itself. */
  readonly tls?: DatabaseTls;
  /** Connections of one pool; a service replica has one to three pools. */
  readonly poolMax: number;
  /** A statement that runs longer is a defect; it is cut so that locks go. */
  readonly statementTimeoutMs: number;
  /** Waiting longer for a lock means a stuck peer: fail, and let the caller retry. */
  readonly lockTimeoutMs: number;
  /** An idle transaction would hold back every reader of the log. */
  readonly idleInTransactionTimeoutMs: number;
  /** Waiting longer for a connection, a new one or one of the pool, is an outage: fail, and let the caller retry. */
  readonly connectTimeoutMs: number;
}

/** Limits used when a service states none. */
export const databaseDefaults = {
  poolMax: 8,
  statementTimeoutMs: 30_000,
  lockTimeoutMs: 10_000,
  idleInTransactionTimeoutMs: 30_000,
  connectTimeoutMs: 10_000,
} as const;
