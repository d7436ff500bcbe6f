import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '@callosum/kernel';

import { isTransient, Patience, type Backoff } from './backoff.js';
import { countEvent } from './metrics.js';
import { behindParkedCode, PartitionLostError } from './errors.js';
import type { EventHandler } from './event-log.js';
import type { LogEvent } from './event.js';
import type { ParkedStore } from './parked.js';

export interface ConsumerPolicyOptions {
  readonly group: string;
  readonly parked: ParkedStore;
  /** Does the work of one event, or rejects. */
  readonly dispatch: EventHandler;
  readonly backoff?: Backoff;
  /** Told of each event parked, and why, and whether the service tries it again; the event's value stays out of it. */
  readonly onParked?: (event: LogEvent, errorCode: string, error: unknown, retried: boolean) => void;
  /** Told when an event was handled that had found something away: it answers again. */
  readonly onRecovered?: (errorCode: string) => void;
}

/**
 * What happens when handling fails, the same on every adapter: transient errors are tried again with growing
 * pauses, defects a few times within seconds, everything else parks at once, and later facts of a parked key park
 * behind it while other keys go on. What parks after transient errors is tried again by the Replayer. The handler it makes rejects only when parking itself fails (no database): then the
 * event is delivered again; or when the partition was lost meanwhile, and with it the say in what becomes of the event.
 */
export function withPolicy(options: ConsumerPolicyOptions): EventHandler {
  const { group, parked, dispatch, backoff, onParked, onRecovered } = options;
  return async (event, lost) => {
    const { topic, key } = event;
    const stillOurs = (): void => {
      if (lost?.aborted) throw new PartitionLostError(topic);
    };
    const behind =
      (await parked.holds({ group, topic, key })) && (await parked.parkBehind(group, event, behindParkedCode));
    if (behind) {
      countEvent(group, event, 'parked');
      onParked?.(event, behindParkedCode, undefined, behind.retried);
      return;
    }
    const patience = new Patience(backoff);
    let away: string | undefined;
    for (;;) {
      const startedAt = performance.now();
      try {
        await dispatch(event, lost);
        countEvent(group, event, 'handled', startedAt);
        if (away) onRecovered?.(away);
        return;
      } catch (error) {
        stillOurs();
        const pauseMs = patience.after(error);
        if (pauseMs === undefined) {
          const code = errorCode(error);
          if (!(await parked.park(group, event, code, isTransient(error)))) return;
          countEvent(group, event, 'parked', startedAt);
          onParked?.(event, code, error, isTransient(error));
          return;
        }
        countEvent(group, event, 'retried', startedAt);
        if (isTransient(error)) away = errorCode(error);
        await sleep(pauseMs);
        stillOurs();
      }
    }
  };
}
