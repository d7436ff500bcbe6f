import { sql, type RawBuilder } from 'kysely';

import type { LogEvent } from './event.js';
import type { EventRow } from './sql.js';

/** Column list that `eventValues` fills, in its order. */
export const eventColumns = sql.raw(
  'topic, key, event_id, type, source, time, site, correlation_id, causation_id, traceparent, error_code, value',
);

/** One event as a comma-separated list of parameters. */
export function eventValues(event: LogEvent): RawBuilder<unknown> {
  return sql.join([
    event.topic,
    event.key,
    event.id,
    event.type,
    event.source,
    event.time,
    event.site,
    event.correlationId,
    event.causationId ?? null,
    event.traceparent ?? null,
    event.errorCode ?? null,
    event.value,
  ]);
}

export function toEvent(row: EventRow): LogEvent {
  return {
    topic: row.topic,
    key: row.key,
    id: row.event_id,
    type: row.type,
    source: row.source,
    time: row.time,
    site: row.site,
    correlationId: row.correlation_id,
    ...(row.causation_id === null ? {} : { causationId: row.causation_id }),
    ...(row.traceparent === null ? {} : { traceparent: row.traceparent }),
    ...(row.error_code === null ? {} : { errorCode: row.error_code }),
    value: row.value,
  };
}
