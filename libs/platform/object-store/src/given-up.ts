import { addAbortSignal, type Readable } from 'node:stream';

/**
 * A body that is destroyed when the signal says so, and with it the file or connection behind it.
 * @throws the signal's reason, when it has said so already
 */
export function givenUpWith(signal: AbortSignal | undefined, body: Readable): Readable {
  if (!signal) return body;
  if (signal.aborted) body.destroy();
  signal.throwIfAborted();
  return addAbortSignal(signal, body);
}
