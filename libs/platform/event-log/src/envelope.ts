import { InvalidEventError } from './errors.js';
import type { LogEvent } from './event.js';
import { toMessage } from './kafka/headers.js';

/**
 * What a topic takes of one batch of records, framing included (`max.message.bytes`): Kafka's own default, set on every
 * topic. kafkajs makes one batch of all that a send has for a partition, and does not divide it.
 */
export const recordBytesMax = 1_048_588;
/** What is sent at once, and so what one event may have in all: that, less the batch's own 61 bytes and room. */
export const batchBytesMax = 1_000_000;
/** That, less room for key and headers: a larger fact must be a reference (claim check). */
export const valueBytesMax = 900_000;

/** Record format 2: one byte of attributes; lengths, offset and number of headers of up to 5 bytes, a time of up to 10. */
const recordFramingBytes = 36;
/** The lengths of its name and its value. */
const headerFramingBytes = 10;

/** What an event takes of a batch at most, in bytes: value, key, headers and their framing. */
export function recordBytes(event: LogEvent): number {
  const headers = Object.entries(toMessage(event).headers ?? {}).map(
    ([name, value]) => headerFramingBytes + Buffer.byteLength(name) + Buffer.byteLength(String(value)),
  );
  return headers.reduce(
    (sum, bytes) => sum + bytes,
    recordFramingBytes + Buffer.byteLength(event.key) + Buffer.byteLength(event.value),
  );
}

/** @throws {InvalidEventError} for an empty key, id or type, or an event that no topic would take */
export function assertEnvelope(event: LogEvent): void {
  if (!event.key) throw new InvalidEventError(`an event for ${event.topic} has no key`);
  if (!event.id) throw new InvalidEventError(`an event for ${event.topic} has no id`);
  if (Buffer.byteLength(event.value) > valueBytesMax) {
    throw new InvalidEventError(`an event for ${event.topic} is larger than ${valueBytesMax} bytes`);
  }
  if (recordBytes(event) > batchBytesMax) {
    throw new InvalidEventError(
      `an event for ${event.topic} is larger than ${batchBytesMax} bytes with its key and attributes`,
    );
  }
}

/** True when `assertEnvelope` would pass. */
export function fitsEnvelope(event: LogEvent): boolean {
  try {
    assertEnvelope(event);
    return true;
  } catch {
    return false;
  }
}
