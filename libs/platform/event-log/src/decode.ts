import type { Topic } from '@callosum/contracts';

import { MalformedEventError } from './errors.js';
import type { LogEvent } from './event.js';

/**
 * The declared message of an event. A value that lost its fields (fromJSON is lenient) shows in a key that no longer is
 * the event's.
 * @throws {MalformedEventError}
 */
export function decodeEvent(topic: Topic<never>, event: Pick<LogEvent, 'key' | 'value'>): unknown {
  try {
    const json: unknown = JSON.parse(event.value);
    if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new TypeError('not an object');
    const message = topic.message.fromJSON(json);
    if (topic.keyOf(message) !== event.key) throw new TypeError('not the key');
    return message;
  } catch {
    // The parser's own message quotes the value: it goes no further.
    throw new MalformedEventError(topic.name);
  }
}
