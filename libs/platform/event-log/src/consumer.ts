import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '@callosum/kernel';

import { backoffMs, defaultBackoff, isTransient, type Backoff } from './backoff.js';
import { consumerMetrics } from './metrics.js';
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
 * pauses, everything else parks at once, and later facts of a parked key park behind it while other keys go on.
 * The handler it makes rejects only when parking itself fails (no database): then the event is delivered again; or when
 * the partition was lost meanwhile, and with it the say in what becomes of the event.
 */
export function withPolicy(options: ConsumerPolicyOptions): EventHandler {
  const { group, parked, dispatch, backoff = defaultBackoff, onParked } = options;
  const metrics = consumerMetrics(group);
  return async (event, lost) => {
    const { topic, key } = event;
    const stillOurs = (): void => {
      if (lost?.aborted) throw new PartitionLostError(topic);
    };
    if ((await parked.holds({ group, topic, key })) && (await parked.parkBehind(group, event, behindParkedCode))) {
      metrics.count(event, 'parked');
      onParked?.(event, behindParkedCode, undefined);
      return;
    }
    for (let attempt = 1; ; attempt++) {
      try {
        await dispatch(event, lost);
        metrics.count(event, 'handled');
        return;
      } catch (error) {
        stillOurs();
        if (!isTransient(error) || attempt >= backoff.attemptsMax) {
          const code = errorCode(error);
          if (!(await parked.park(group, event, code))) return;
          metrics.count(event, 'parked');
          onParked?.(event, code, error);
          return;
        }
        metrics.count(event, 'retried');
        await sleep(backoffMs(backoff, attempt));
        stillOurs();
      }
    }
  };
}
