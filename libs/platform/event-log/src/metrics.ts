import { count, record, secondsSince } from '@callosum/telemetry';

import type { LogEvent } from './event.js';

/**
 * The last two are of a replay, by the service or by a person, which goes on beside the consumer: an alert that asks
 * whether the consumer stands still must not take them for its work.
 */
export type EventOutcome = 'handled' | 'retried' | 'parked' | 'replayed' | 'replay-failed';

/** One attempt at an event ended. @param startedAtMs by `performance.now()`; undefined when it was not tried */
export function countEvent(group: string, event: LogEvent, outcome: EventOutcome, startedAtMs?: number): void {
  const labels = { 'callosum.topic': event.topic, 'callosum.group': group };
  const ended = { ...labels, 'callosum.outcome': outcome };
  count('callosum.events', 1, ended);
  if (startedAtMs !== undefined) record('callosum.events.duration', secondsSince(startedAtMs), ended);
  if (outcome === 'handled') {
    record('callosum.events.age', Math.max(0, Date.now() - event.time.getTime()) / 1000, labels);
  }
}
