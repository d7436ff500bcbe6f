import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

/**
 * What the library takes for its socket. Between it and the network stand our own frame reader, limits, timers and
 * back-pressure; the library gets whole PDUs, one presentation data value at a time, and only when it can take one.
 */
export class LibrarySocket extends EventEmitter {
  constructor(private readonly send: (pdu: Buffer) => void) {
    super();
  }

  /** The library's timers are not used: only received PDUs reset them, so a long send would abort itself. */
  setTimeout(): this {
    return this;
  }

  write(pdu: Buffer): boolean {
    this.send(pdu);
    return true;
  }

  deliver(pdu: Buffer): void {
    this.emit('data', pdu);
  }

  /** Ends the library's interval timer. */
  closed(): void {
    this.emit('close');
  }

  /** The library asks for a net.Socket and uses `on`, `setTimeout` and `write` of it. */
  asSocket(): Socket {
    return this as unknown as Socket;
  }
}
