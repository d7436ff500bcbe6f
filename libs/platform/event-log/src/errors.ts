import { CallosumError } from '@callosum/kernel';

import type { TopicDifference } from './kafka/topic-difference.js';

/** Thrown when the log cannot be reached or did not acknowledge; whether the events arrived is not known. */
export class EventLogUnavailableError extends CallosumError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('event-log.unavailable', 'unavailable', message, options);
  }
}

/** Thrown when Kafka refuses who we are or what we ask, or no token is to be had: waiting does not mend it. */
export class KafkaAccessError extends CallosumError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('event-log.kafka-access', 'forbidden', message, options);
  }
}

/** Thrown at start when Kafka is set up so that acknowledged events could be lost. Names every topic and setting. */
export class UnsafeKafkaError extends CallosumError {
  constructor(readonly differences: readonly TopicDifference[]) {
    const lines = differences.map(
      ({ where, setting, wanted, found, why }) => `${where}: ${setting} is ${found}, must be ${wanted}: ${why}`,
    );
    const small = differences.some(({ danger }) => danger === 'unreplicated')
      ? '\n  (a site of one broker: CALLOSUM_KAFKA_SMALL_SITE=true accepts what the loss of a broker would lose)'
      : '';
    super('event-log.unsafe-kafka', 'conflict', `Kafka could lose events:\n  ${lines.join('\n  ')}${small}`);
  }
}

/** Thrown when a handler failed whose partition is another member's by now: what becomes of the event is decided there. */
export class PartitionLostError extends CallosumError {
  constructor(topic: string) {
    super('event-log.partition-lost', 'unavailable', `a partition of ${topic} went to another member meanwhile`);
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

/** Thrown when nothing of the (group, topic, key) asked for is parked. */
export class NothingParkedError extends CallosumError {
  constructor(topic: string) {
    super('event-log.nothing-parked', 'not-found', `nothing of this key of ${topic} is parked`);
  }
}

/** Thrown when what is parked there cannot be given up, only replayed. */
export class NotDroppableError extends CallosumError {
  constructor(topic: string) {
    super(
      'event-log.not-droppable',
      'conflict',
      `what is parked as ${topic} is not dropped: mend the cause and replay`,
    );
  }
}

/** Thrown when somebody else replays or drops the same (group, topic, key) now. */
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
