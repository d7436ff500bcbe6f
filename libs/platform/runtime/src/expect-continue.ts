import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';

/** Requests whose clients wait to be told to go on with their body. */
const waiting = new WeakSet<Readable>();

/**
 * Tells the client to go on (`Expect: 100-continue`, RFC 9110 10.1.1) when somebody reads the body, and not before: whoever refuses
 * the request by its headers is heard in place of that, and the body is never sent. Behind such an answer Node closes the
 * connection, since nobody knows whether what comes next on it is the body or another request.
 */
export function continueOnceRead(request: IncomingMessage, response: ServerResponse): void {
  waiting.add(request);
  const read = request._read.bind(request);
  request._read = (size) => {
    request._read = read;
    waiting.delete(request);
    // Behind an answer the body is only read to be thrown away.
    if (!response.headersSent) response.writeContinue();
    read(size);
  };
}

/** Whether the client waits to be told to go on: to read the body, be it to throw it away, would ask for it. */
export const waitsToGoOn = (request: Readable): boolean => waiting.has(request);
