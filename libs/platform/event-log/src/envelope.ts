import { InvalidEventError } from './errors.js';
import type { LogEvent } from './event.js';

/** What a broker takes of one record, headers and framing included: Kafka's own default, set on every topic. */
export const recordBytesMax = 1_048_588;
/** That, less room for key and headers: a larger fact must be a reference (claim check). */
export const valueBytesMax = 900_000;

/** @throws {InvalidEventError} for an empty key, id or type, or a value beyond `valueBytesMax` */
export function assertEnvelope(event: LogEvent): void {
  if (!event.key) throw new InvalidEventError(`an event for ${event.topic} has no key`);
  if (!event.id) throw new InvalidEventError(`an event for ${event.topic} has no id`);
  if (Buffer.byteLength(event.value) > valueBytesMax) {
    throw new InvalidEventError(`an event for ${event.topic} is larger than ${valueBytesMax} bytes`);
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
