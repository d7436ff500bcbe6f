import { setTimeout as sleep } from 'node:timers/promises';
import { topics, type imaging, type Topic } from '@callosum/contracts';
import { newId } from '@callosum/kernel';

import type { EventHandler, EventLog, Subscription } from '../event-log.js';
import type { LogEvent } from '../event.js';

/** What the contract suite sends: facts of a catalogued topic. */
export const topic: Topic<imaging.StudyUpdated> = topics.studyUpdated;

export function fact(key: string, revision: number, extra: Partial<LogEvent> = {}): LogEvent {
  const message = topic.message.fromJSON({ studyInstanceUid: key, revision });
  return {
    topic: topic.name,
    key,
    id: newId(),
    type: topic.type,
    source: '/callosum/contract',
    time: new Date('2026-01-02T03:04:05.678Z'),
    site: 'default',
    correlationId: newId(),
    value: JSON.stringify(topic.message.toJSON(message)),
    ...extra,
  };
}

export const revisionOf = (event: LogEvent): number => (JSON.parse(event.value) as { revision?: number }).revision ?? 0;

export interface Collected {
  readonly events: LogEvent[];
  readonly subscription: Subscription;
}

/** Subscribes and keeps the events whose key begins with `prefix`: suites share topics, not keys. */
export async function collect(
  log: EventLog,
  group: string,
  prefix: string,
  handler?: EventHandler,
): Promise<Collected> {
  const events: LogEvent[] = [];
  const subscription = await log.subscribe({
    group,
    topics: [topic.name],
    from: 'earliest',
    onCrash: (error) => {
      throw error;
    },
    handler: async (event) => {
      if (!event.key.startsWith(prefix)) return;
      await handler?.(event);
      events.push(event);
    },
  });
  return { events, subscription };
}

/** Waits until `condition` holds; says what it waited for when it does not. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 20_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(20);
  }
}
