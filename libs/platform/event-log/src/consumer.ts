import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '@callosum/kernel';

import { attemptsMaxFor, backoffMs, defaultBackoff, type Backoff } from './backoff.js';
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
  /** Told of each event parked, and why; the event's value stays out of it. */
  readonly onParked?: (event: LogEvent, errorCode: string, error: unknown) => void;
}

/**
 * What happens when handling fails, the same on every adapter: transient errors are tried again with growing
 * pauses, defects a few times within seconds, everything else parks at once, and later facts of a parked key park
 * behind it while other keys go on. The handler it makes rejects only when parking itself fails (no database): then the
 * event is delivered again; or when the partition was lost meanwhile, and with it the say in what becomes of the event.
 */
export function withPolicy(options: ConsumerPolicyOptions): EventHandler {
  const { group, parked, dispatch, backoff = defaultBackoff, onParked } = options;
  return async (event, lost) => {
    const { topic, key } = event;
    const stillOurs = (): void => {
      if (lost?.aborted) throw new PartitionLostError(topic);
    };
    if ((await parked.holds({ group, topic, key })) && (await parked.parkBehind(group, event, behindParkedCode))) {
      countEvent(group, event, 'parked');
      onParked?.(event, behindParkedCode, undefined);
      return;
    }
    for (let attempt = 1; ; attempt++) {
      const startedAt = performance.now();
      try {
        await dispatch(event, lost);
        countEvent(group, event, 'handled', startedAt);
        return;
      } catch (error) {
        stillOurs();
        if (attempt >= attemptsMaxFor(error, backoff)) {
          const code = errorCode(error);
          if (!(await parked.park(group, event, code))) return;
          countEvent(group, event, 'parked', startedAt);
          onParked?.(event, code, error);
          return;
        }
        countEvent(group, event, 'retried', startedAt);
        await sleep(backoffMs(backoff, attempt));
        stillOurs();
      }
    }
  };
}
