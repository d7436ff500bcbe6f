import { AsyncResource } from 'node:async_hooks';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

type Handle = (request: IncomingMessage, response: ServerResponse) => void;

/** More than any client sends ahead; what waits are heads, and of one body what fits a stream. */
const waitingMax = 64;

/**
 * Requests that a client sends ahead over one connection (RFC 9112 9.3.2) are handled one after the other: each when its answer
 * has the connection, and never when the connection closes first. Node hands all of them over as they come. Whatever is begun
 * for an answer that waits behind others takes places and files that its client may never read, and is not told on all
 * versions of Node, or behind an answer that ends its connection, that nobody will.
 * A connection with more than {@link waitingMax} that wait is cut.
 */
export function oneAtATime(handle: Handle): Handle {
  const waiting = new WeakMap<Socket, number>();
  return (request, response) => {
    if (response.socket) return handle(request, response);
    const { socket } = request;
    const count = (waiting.get(socket) ?? 0) + 1;
    if (count > waitingMax) return void socket.destroy();
    waiting.set(socket, count);
    // In a context of its own: the connection is given on in that of the request before.
    const begin = AsyncResource.bind(() => {
      if (!response.closed) handle(request, response);
    });
    response.once('socket', () => {
      waiting.set(socket, (waiting.get(socket) ?? 0) - 1);
      // Once whoever hears of the end of the request before has heard of it, and given its place back.
      process.nextTick(begin);
    });
  };
}
