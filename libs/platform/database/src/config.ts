/** How a service reaches PostgreSQL. Passwords stay in here: nothing logs this object. */
export interface DatabaseConfig {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  /** Connections of one service replica. */
  readonly poolMax: number;
  /** A statement that runs longer is a defect; it is cut so that locks go. */
  readonly statementTimeoutMs: number;
  /** Waiting longer for a lock means a stuck peer: fail, and let the caller retry. */
  readonly lockTimeoutMs: number;
  /** An idle transaction would hold back every reader of the log. */
  readonly idleInTransactionTimeoutMs: number;
}

/** Limits used when a service states none. */
export const databaseDefaults = {
  poolMax: 8,
  statementTimeoutMs: 30_000,
  lockTimeoutMs: 10_000,
  idleInTransactionTimeoutMs: 30_000,
} as const;
