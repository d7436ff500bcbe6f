import { addAbortSignal, type Readable } from 'node:stream';

/**
 * A body for whoever asked. It may fail before anybody reads, and an error event that nobody hears ends the process: here it
 * is heard, and the stream keeps it for its reader.
 * @param signal destroys it, and with it the file or connection behind it
 * @throws the signal's reason, when it has said so already
 */
export function handedOut(body: Readable, signal: AbortSignal | undefined): Readable {
  body.on('error', () => undefined);
  if (!signal) return body;
  if (signal.aborted) body.destroy();
  signal.throwIfAborted();
  return addAbortSignal(signal, body);
}
