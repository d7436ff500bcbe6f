import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex, Readable } from 'node:stream';

/** Who reads a body, and hears that its rest cannot be read. */
const readers = new WeakMap<Readable, () => void>();

/**
 * Hears once that nothing more can be read of a request's body, since the client has ended its side within it or sent what is
 * no HTTP, while the connection can still take an answer. Whoever hears of it answers; the connection is closed behind that.
 * Where nobody does, the request is refused with 400 as it stands.
 */
export function onBrokenOff(request: Readable, tell: () => void): void {
  readers.set(request, tell);
}

const statusLines: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** What is done with connections on which comes what is no HTTP. */
export class BrokenConnections {
  readonly #handled = new WeakMap<Duplex, { readonly request: IncomingMessage; readonly response: ServerResponse }>();
  readonly #told = new WeakSet<IncomingMessage>();

  /** Says which request has the connection. */
  handles(request: IncomingMessage, response: ServerResponse): void {
    this.#handled.set(request.socket, { request, response });
  }

  /** Leaves the answer to who reads the request that breaks off, or refuses and cuts the connection, as Node does by itself. */
  broke(error: NodeJS.ErrnoException, socket: Duplex): void {
    const handled = this.#handled.get(socket);
    if (handled && this.#leaves(handled.request, handled.response, socket)) return;
    if (socket.writable && (!handled || handled.response.writableFinished || !handled.response.headersSent))
      socket.write(`HTTP/1.1 ${statusLines[error.code ?? ''] ?? '400 Bad Request'}\r\nConnection: close\r\n\r\n`);
    socket.destroy(error);
  }

  #leaves(request: IncomingMessage, response: ServerResponse, socket: Duplex): boolean {
    if (request.complete || response.writableEnded || !socket.writable) return false;
    // More may come behind what was no HTTP, and is none either.
    if (this.#told.has(request)) return true;
    const tell = readers.get(request);
    if (!tell) return false;
    this.#told.add(request);
    if (!response.headersSent) response.setHeader('connection', 'close');
    tell();
    return true;
  }
}
