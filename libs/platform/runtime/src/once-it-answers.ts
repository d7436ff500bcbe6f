import { setTimeout as sleep } from 'node:timers/promises';

import { EventLogUnavailableError } from '@callosum/event-log';

export interface WaitOptions {
  /** Rejects while the log is away. */
  readonly ping: () => Promise<void>;
  /** Told of each attempt that found it away. */
  readonly onError: (error: unknown) => void;
  readonly pauseMsMin?: number;
  readonly pauseMsMax?: number;
}

/** An attempt itself takes some seconds; a log that was away for an hour is found within half a minute. */
const pauseMsMin = 1_000;
const pauseMsMax = 30_000;

/**
 * Does `work`, again and again while the log is away: a process that ended would find no more at its next start, and on
 * Kubernetes be kept waiting longer each time. Meanwhile it is alive and not ready. What the log answers is no outage: a
 * refused credential, unsafe topics and whatever else fails while it can be asked are thrown.
 */
export async function onceItAnswers(work: () => Promise<void>, options: WaitOptions): Promise<void> {
  const { ping, onError } = options;
  let answered = false;
  for (let pauseMs = options.pauseMsMin ?? pauseMsMin; ; pauseMs *= 2) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof EventLogUnavailableError)) throw error;
      const away = await ping().then(
        () => false,
        (cause: unknown) => cause instanceof EventLogUnavailableError,
      );
      // It may have come back between the two: only what fails again is no outage.
      if (!away && answered) throw error;
      answered = !away;
      onError(error);
    }
    await sleep(Math.min(pauseMs, options.pauseMsMax ?? pauseMsMax));
  }
}
