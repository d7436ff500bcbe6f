import { topicByName } from '@callosum/contracts';

import { decodeEvent } from './decode.js';
import { NothingParkedError } from './errors.js';
import type { LogEvent } from './event.js';
import type { DropOrder, ParkedKey, ParkedKeysQuery, ParkedKeySummary, ParkedStore, ReplayOutcome } from './parked.js';

/** One thing that was set aside, as people see it. */
export interface ParkedItem {
  readonly id: string;
  readonly errorCode: string;
  readonly parkedAt: Date;
  /** When the fact happened. */
  readonly time?: Date;
  readonly type: string;
  readonly source?: string;
  readonly correlationId?: string;
  readonly causationId?: string;
  readonly traceparent?: string;
  /** ProtoJSON without free text; absent where it is not what it says it is. */
  readonly payload?: string;
  readonly payloadBytes: number;
  /** When it is tried again without a person, if it is, and how many such attempts failed. */
  readonly nextAttemptAt?: Date;
  readonly retries?: number;
}

/**
 * Something a service sets aside for a person. The events it could not handle are one source in every service; a
 * service with work of its own that parks (publications) adds another.
 */
export interface ParkedWork {
  /** True when items under this topic are this source's. */
  owns(topic: string): boolean;
  keys(query: ParkedKeysQuery): Promise<readonly ParkedKeySummary[]>;
  /** In the order of replay, the first `limit`. */
  items(topic: string, key: string, limit: number): Promise<{ items: readonly ParkedItem[]; total: number }>;
  /** @throws {NothingParkedError} @throws {ReplayRunningError} */
  replay(topic: string, key: string): Promise<ReplayOutcome>;
  /** @throws {NothingParkedError} @throws {NotDroppableError} @throws {ReplayRunningError} */
  drop(topic: string, key: string, order: DropOrder): Promise<{ dropped: number; left: number }>;
}

/** What one call replays: a caller with a deadline asks again. Some seconds of handling. */
const replayEventsMax = 200;
/** Texts that vendors write. The rules forbid patient data in them; nothing enforces that, so they are not shown. */
const freeText = new Set(['detail', 'message', 'label', 'meaning']);

/** The events of one group that were set aside. */
export class ParkedEvents implements ParkedWork {
  constructor(
    private readonly store: ParkedStore,
    private readonly group: string,
    private readonly replayKey: (key: Omit<ParkedKey, 'group'>, eventsMax: number) => Promise<ReplayOutcome>,
  ) {}

  owns(topic: string): boolean {
    return topicByName(topic) !== undefined;
  }

  keys(query: ParkedKeysQuery): Promise<readonly ParkedKeySummary[]> {
    return this.store.keys(this.group, query);
  }

  async items(topic: string, key: string, limit: number): Promise<{ items: ParkedItem[]; total: number }> {
    const { items, total } = await this.store.ofKey({ group: this.group, topic, key }, limit);
    return { items: items.map(({ event, group: _, ...parked }) => ({ ...shown(event), ...parked })), total };
  }

  async replay(topic: string, key: string): Promise<ReplayOutcome> {
    if (!(await this.store.holds({ group: this.group, topic, key }))) throw new NothingParkedError(topic);
    return this.replayKey({ topic, key }, replayEventsMax);
  }

  drop(topic: string, key: string, order: DropOrder): Promise<{ dropped: number; left: number }> {
    return this.store.drop({ group: this.group, topic, key }, order);
  }
}

function shown(event: LogEvent): Omit<ParkedItem, 'errorCode' | 'parkedAt' | 'nextAttemptAt' | 'retries'> {
  const payload = payloadOf(event);
  return {
    id: event.id,
    time: event.time,
    type: event.type,
    source: event.source,
    correlationId: event.correlationId,
    ...(event.causationId === undefined ? {} : { causationId: event.causationId }),
    ...(event.traceparent === undefined ? {} : { traceparent: event.traceparent }),
    ...(payload === undefined ? {} : { payload }),
    payloadBytes: Buffer.byteLength(event.value),
  };
}

/** Only what the contract names: a value that cannot be read as its message may hold anything. */
function payloadOf(event: LogEvent): string | undefined {
  const topic = topicByName(event.topic);
  if (!topic || event.type !== topic.type) return undefined;
  try {
    const message = topic.message.toJSON(decodeEvent(topic, event) as never);
    return JSON.stringify(message, (name, value: unknown) =>
      freeText.has(name) && typeof value === 'string' ? '(text not shown)' : value,
    );
  } catch {
    return undefined;
  }
}
