import { CallosumError } from '@callosum/kernel';

/** Thrown when the log cannot be reached or did not acknowledge; whether the events arrived is not known. */
export class EventLogUnavailableError extends CallosumError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('event-log.unavailable', 'unavailable', message, options);
  }
}

/** Thrown when `outboxRowsMax` events wait for the log: the boundary refuses (A700, 503), the sender keeps its copy. */
export class OutboxFullError extends CallosumError {
  constructor(outboxRowsMax: number) {
    super('event-log.outbox-full', 'unavailable', `${outboxRowsMax} events already wait for the event log`);
  }
}

/** Thrown when an event breaks the envelope's rules: an empty key, a value beyond the limit. */
export class InvalidEventError extends CallosumError {
  constructor(message: string) {
    super('event-log.invalid-event', 'invalid', message);
  }
}

/** Thrown when a value is no JSON or does not fit its declared message. */
export class MalformedEventError extends CallosumError {
  constructor(topic: string) {
    super('event-log.malformed', 'invalid', `a value on ${topic} is not ProtoJSON of its declared message`);
  }
}

/** Thrown when `ce_type` is not the type its topic declares. */
export class UnknownEventTypeError extends CallosumError {
  constructor(topic: string) {
    super('event-log.unknown-type', 'invalid', `an event on ${topic} has another type than the topic declares`);
  }
}

/** The code of facts that wait behind a parked one of their key. */
export const behindParkedCode = 'event-log.behind-parked';

/** Thrown when somebody else replays the same (group, topic, key) now. */
export class ReplayRunningError extends CallosumError {
  constructor(topic: string) {
    super('event-log.replay-running', 'conflict', `a replay of this key of ${topic} is running`);
  }
}

/** Thrown at start: a handler for no catalogued topic, two handlers for one topic, a handler that is no event handler. */
export class HandlerSetupError extends CallosumError {
  constructor(message: string) {
    super('event-log.handler-setup', 'internal', message);
  }
}
