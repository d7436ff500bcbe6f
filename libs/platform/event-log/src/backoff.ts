import { CallosumError } from '@callosum/kernel';
import { isTransientDatabaseError } from '@callosum/database';

export interface Backoff {
  /** How long, from the first failure on, a handler is called again while something is away. */
  readonly waitMs: number;
  readonly initialMs: number;
  readonly capMs: number;
}

/** `CALLOSUM_EVENT_WAIT_SECONDS` unless a site says otherwise. */
export const eventWaitSecondsDefault = 240;

/**
 * Four minutes: a dependency that restarts or fails over fails every event alike, so standing still
 * loses nothing. What is away for longer is waited for beside the partition: the fact is parked and tried again by the
 * service itself (`RetryPauses`), so that other keys of the partition are heard.
 */
export const defaultBackoff: Backoff = { waitMs: eventWaitSecondsDefault * 1_000, initialMs: 100, capMs: 5_000 };

/** How long a fact that was parked while something was away lies before the service tries it again. */
export interface RetryPauses {
  readonly initialMs: number;
  readonly capMs: number;
}

/**
 * Half a minute, doubled to five: an outage that ended just after the fact was parked is over for it soon, and one that
 * always claims an outage costs an attempt every few minutes, beside its partition and not in it.
 */
export const defaultRetryPauses: RetryPauses = { initialMs: 30_000, capMs: 300_000 };

/** Wait before the next automatic attempt at a parked fact, after `retries` of them failed. */
export function retryPauseMs(pauses: RetryPauses, retries: number, random: () => number = Math.random): number {
  return backoffMs(pauses, retries + 1, random);
}

/**
 * Calls in all when the error is a defect (kind `internal`, such as a FHIR server's 500): about two seconds. It is mostly
 * about this one fact, and while it is tried again every other key of the partition stands still.
 */
const defectAttemptsMax = 5;

/** How long one piece of work is tried again in place. */
export class Patience {
  #failures = 0;
  #since: number | undefined;

  /** @param nowMs a clock that is never set */
  constructor(
    private readonly backoff: Backoff = defaultBackoff,
    private readonly nowMs: () => number = () => performance.now(),
    private readonly random: () => number = Math.random,
  ) {}

  /** The pause before the next attempt in ms, after one failed with `error`; undefined when it was the last. */
  after(error: unknown): number | undefined {
    this.#since ??= this.nowMs();
    const pauseMs = backoffMs(this.backoff, ++this.#failures, this.random);
    if (isTransient(error)) {
      return this.nowMs() - this.#since + pauseMs <= this.backoff.waitMs ? pauseMs : undefined;
    }
    const isDefect = error instanceof CallosumError && error.kind === 'internal';
    return isDefect && this.#failures < defectAttemptsMax ? pauseMs : undefined;
  }
}

/** Wait after `attempt` failed calls: doubled each time, capped, then a random half taken off against herds. */
export function backoffMs(backoff: RetryPauses, attempt: number, random: () => number = Math.random): number {
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
