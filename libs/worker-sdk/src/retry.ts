import { ClientError, Status } from 'nice-grpc';

import { backoffMs, pause } from './backoff.js';
import { CorruptLabelMapError, CorruptVolumeError } from './errors.js';

/** About half a minute in all: a replica's restart, within a lease. */
const attemptsMax = 8;
const transient = new Set([Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED, Status.RESOURCE_EXHAUSTED, Status.ABORTED]);

/**
 * Repeats a transfer that a broken connection cut short: reading a volume and writing a label map may be done
 * again without harm. Ends with the job's signal.
 */
export async function retried<T>(signal: AbortSignal, transfer: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      return await transfer();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (attempt === attemptsMax || !mayPass(error)) throw error;
    }
    await pause(backoffMs(attempt), signal);
  }
}

function mayPass(error: unknown): boolean {
  if (error instanceof CorruptVolumeError || error instanceof CorruptLabelMapError) return true;
  return error instanceof ClientError && transient.has(error.code);
}
