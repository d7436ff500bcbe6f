import { CallosumError } from '@callosum/kernel';
import { isTransientDatabaseError } from '@callosum/database';

export interface Backoff {
  /** Calls of the handler in all, the first included. */
  readonly attemptsMax: number;
  readonly initialMs: number;
  readonly capMs: number;
}

/**
 * About four minutes in all: a dependency that restarts or fails over fails every event alike, so standing still
 * loses nothing, while parking would leave a person with thousands of healthy facts to replay. Waits of one event
 * alone belong to rows with a deadline.
 */
export const defaultBackoff: Backoff = { attemptsMax: 70, initialMs: 100, capMs: 5_000 };

/**
 * Calls in all when the error is a defect (kind `internal`, such as a FHIR server's 500): about two seconds. It is mostly
 * about this one fact, and while it is tried again every other key of the partition stands still.
 */
const defectAttemptsMax = 5;

/** Calls of the handler in all before a fact that failed with `error` is parked. */
export function attemptsMaxFor(error: unknown, { attemptsMax }: Backoff): number {
  if (isTransient(error)) return attemptsMax;
  return error instanceof CallosumError && error.kind === 'internal' ? Math.min(defectAttemptsMax, attemptsMax) : 1;
}

/** Wait after `attempt` failed calls: doubled each time, capped, then a random half taken off against herds. */
export function backoffMs(backoff: Backoff, attempt: number, random: () => number = Math.random): number {
  const full = Math.min(backoff.capMs, backoff.initialMs * 2 ** Math.max(0, attempt - 1));
  return full / 2 + (full / 2) * random();
}

const transientNodeCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_SOCKET',
  'UND_ERR_HEADERS_TIMEOUT',
]);
/** gRPC status codes: DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, UNAVAILABLE. */
const transientGrpcCodes = new Set([4, 8, 10, 14]);
/** A chain of causes is never this deep, unless it is a ring. */
const causesMax = 8;

/** True when the same call may pass later. Everything unknown is a defect and parks at once. */
export function isTransient(error: unknown): boolean {
  let current: unknown = error;
  for (let depth = 0; depth < causesMax && current instanceof Error; depth++) {
    if (current instanceof CallosumError) return current.retriable;
    if (isTransientDatabaseError(current)) return true;
    const { code, name } = current as { code?: unknown; name: string };
    if (typeof code === 'string' && transientNodeCodes.has(code)) return true;
    if (typeof code === 'number' && transientGrpcCodes.has(code)) return true;
    if (name === 'TimeoutError') return true;
    current = current.cause;
  }
  return false;
}
