import type { IHeaders, KafkaMessage, Message } from 'kafkajs';

import type { LogEvent } from '../event.js';

/**
 * CloudEvents 1.0, Kafka protocol binding, binary content mode: attributes are headers, the value is the data.
 * The record's own timestamp is left to the time of appending: Kafka deletes by it, and a fact that waited long
 * in an outbox, or comes from a clock that is wrong, would be gone before anybody read it.
 */
export function toMessage(event: LogEvent): Message {
  return {
    key: event.key,
    value: event.value,
    headers: {
      ce_specversion: '1.0',
      ce_id: event.id,
      ce_type: event.type,
      ce_source: event.source,
      ce_time: event.time.toISOString(),
      ce_site: event.site,
      ce_correlationid: event.correlationId,
      ...(event.causationId === undefined ? {} : { ce_causationid: event.causationId }),
      ...(event.errorCode === undefined ? {} : { ce_errorcode: event.errorCode }),
      ...(event.traceparent === undefined ? {} : { traceparent: event.traceparent }),
      'content-type': 'application/json',
    },
  };
}

/**
 * What stands in a Kafka record, whoever wrote it. A record without our attributes gets its place in the log as
 * its id and an empty type, so that it is parked as unknown instead of being lost or stopping its partition.
 */
export function fromMessage(topic: string, partition: number, message: KafkaMessage): LogEvent {
  const header = (name: string): string | undefined => headerText(message.headers, name);
  const id = idOf(topic, partition, message);
  const time = new Date(header('ce_time') ?? Number(message.timestamp));
  const causationId = header('ce_causationid');
  const errorCode = header('ce_errorcode');
  const traceparent = header('traceparent');
  return {
    topic,
    key: keyOf(topic, partition, message),
    id,
    type: header('ce_type') ?? '',
    source: header('ce_source') ?? '',
    time: Number.isNaN(time.getTime()) ? new Date(0) : time,
    site: header('ce_site') ?? '',
    correlationId: header('ce_correlationid') ?? id,
    ...(causationId === undefined ? {} : { causationId }),
    ...(errorCode === undefined ? {} : { errorCode }),
    ...(traceparent === undefined ? {} : { traceparent }),
    value: text(message.value),
  };
}

const idOf = (topic: string, partition: number, { headers, offset }: KafkaMessage): string =>
  headerText(headers, 'ce_id') ?? `${topic}/${partition}/${offset}`;

/** What a record is ordered by: its key, or where it has none its id. */
const keyOf = (topic: string, partition: number, message: KafkaMessage): string =>
  text(message.key) || idOf(topic, partition, message);

function headerText(headers: IHeaders | undefined, name: string): string | undefined {
  const value = headers?.[name];
  const first = Array.isArray(value) ? value[0] : value;
  return first === undefined ? undefined : text(typeof first === 'string' ? Buffer.from(first) : first);
}

/** PostgreSQL's text holds no NUL, and a foreign record must still be parked there. */
function text(value: Buffer | null): string {
  return value === null ? '' : value.toString('utf8').replaceAll('\0', '\uFFFD');
}
