import { CallosumError } from '@callosum/kernel';

/** Thrown when PostgreSQL cannot be reached or is shutting down; the same call may pass later. */
export class DatabaseUnavailableError extends CallosumError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('database.unavailable', 'unavailable', message, options);
  }
}

/** Thrown when another process has been migrating the schema for longer than one waits; the same call may pass later. */
export class MigrationBusyError extends CallosumError {
  constructor(table: string) {
    super('database.migration-busy', 'unavailable', `another process migrates what ${table} tells of`);
  }
}

/** SQLSTATE classes and socket errors after which the same transaction may pass when tried again. */
const transientStates = new Set([
  '40001', // serialization_failure
  '40P01', // deadlock_detected
  '55P03', // lock_not_available
  '57014', // query_canceled (statement timeout)
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '53100', // disk_full
  '53200', // out_of_memory
  '53300', // too_many_connections
  '25P03', // idle_in_transaction_session_timeout
]);
const transientErrnos = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOENT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
]);

/** True when `error` came from PostgreSQL, its socket or our client of it, and trying again later can help. */
export function isTransientDatabaseError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof CallosumError) return error.retriable && error.code.startsWith('database.');
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string') {
    return transientStates.has(code) || transientErrnos.has(code) || code.startsWith('08');
  }
  return /connection (terminated|ended|timeout)|timeout exceeded when trying to connect|Client has encountered a connection error/i.test(
    error.message,
  );
}
