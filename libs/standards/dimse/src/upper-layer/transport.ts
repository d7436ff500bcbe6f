import type { Socket } from 'node:net';

import { PduType } from './pdu.js';
import { PduParser, type PduLimits, type PduSink } from './pdu-parser.js';
import { Watch } from './watch.js';

/** What one connection is for; its calls never come after `closed`. */
export interface TransportUser extends PduSink {
  /** True while no more may be looked at: a full buffer, or an answer that is not there yet. */
  readonly held: boolean;
  /** True while the peer has nothing to send before we have done something. */
  readonly working: boolean;
  /** True while it is `held` and the peer has to wait for us: all that is looked at is that it goes (PS3.8 Sta3). */
  readonly deciding?: boolean;
  /** A ProtocolError of the parser, or what `pdu` or `value` threw. */
  failed(error: unknown): void;
  /** The peer let us wait too long, by a stable code. */
  late(code: string): void;
  /** No more bytes will come. `error`: the connection broke. */
  closed(error?: Error): void;
}

/**
 * One connection of the upper layer (PS3.8): bytes in by PDUs and at the speed they are taken, PDUs out, and the
 * timer that waits for the peer. Node's socket is paused while its user is `held`, so TCP slows the peer.
 */
export class Transport {
  readonly #parser: PduParser;
  readonly #watch: Watch;
  #running = false;
  #seenPdus = 0;
  #ended = false;
  #gone = false;
  #error: Error | undefined;
  /** Time the peer has for its next PDU; none before `expect`. */
  #patience: { readonly ms: number; readonly code: string } | undefined;
  #writesStalled = 0;
  #user: TransportUser;

  constructor(
    readonly socket: Socket,
    user: TransportUser,
    limits: PduLimits,
  ) {
    this.#user = user;
    const sink: PduSink = {
      pdu: (type, body) => this.#user.pdu(type, body),
      value: (contextId, control, bytes, end) => this.#user.value(contextId, control, bytes, end),
    };
    this.#parser = new PduParser(sink, limits);
    this.#watch = new Watch((code) => this.#user.late(code));
    // Messages are small at times: with Nagle's algorithm each would wait for the peer's delayed acknowledgement.
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      if (this.#ended) return;
      this.#parser.push(chunk);
      this.proceed();
    });
    socket.on('error', (error) => (this.#error ??= error));
    socket.on('end', () => this.#close());
    socket.on('close', () => this.#close());
  }

  /** From the next PDU on another one is told: the association, once there is one. */
  use(user: TransportUser): void {
    this.#user = user;
    if (this.#gone) user.closed(this.#error);
  }

  /** False when nothing that is written can reach the peer any more. */
  get open(): boolean {
    return !this.#ended && this.socket.writable;
  }

  /** The peer has `ms` for its next PDU, and for each one after it. */
  expect(ms: number, code: string): void {
    this.#patience = { ms, code };
    this.#watch.arm(ms, code);
  }

  /** No time limit any more. */
  expectNothing(): void {
    this.#patience = undefined;
    this.#watch.rest();
  }

  /** Goes on with what came, as far as the user lets it: called when `held` or `working` may have changed. */
  proceed(): void {
    if (this.#running || this.#ended) return;
    this.#running = true;
    try {
      while (this.#mayGoOn && !this.#ended && this.#parser.step());
    } catch (error) {
      this.#user.failed(error);
    } finally {
      this.#running = false;
    }
    if (this.#ended) return;
    // A socket that is paused does not say that the peer has closed it.
    if (this.#user.held && (!this.#user.deciding || this.#parser.hasBytes)) this.socket.pause();
    else if (this.socket.isPaused()) this.socket.resume();
    this.#wait();
  }

  get #mayGoOn(): boolean {
    return !this.#user.held || (this.#user.deciding === true && this.#parser.nextType === PduType.Abort);
  }

  /** Nothing the peer sends is looked at any more; it is thrown away until the connection is closed. */
  ignore(): void {
    this.#ended = true;
    this.#watch.rest();
    this.socket.resume();
  }

  /** One PDU, or several, in one write. @returns false when the peer is slower than we are */
  write(...parts: readonly Uint8Array[]): boolean {
    const { socket } = this;
    if (!socket.writable) return true;
    if (parts.length > 1) socket.cork();
    let more = true;
    for (const part of parts) more = socket.write(part);
    if (parts.length > 1) socket.uncork();
    return more;
  }

  /**
   * Resolves when the peer has taken what was written, or the connection is gone.
   * @param ms a peer that takes nothing for this long is late: `code`
   */
  async drained(ms: number, code: string): Promise<void> {
    const { socket } = this;
    if (!socket.writableNeedDrain || socket.destroyed) return;
    this.#writesStalled++;
    const timer = setTimeout(() => this.#user.late(code), ms);
    await new Promise<void>((resolve) => {
      const done = (): void => {
        socket.off('drain', done).off('close', done);
        resolve();
      };
      socket.on('drain', done).on('close', done);
    });
    clearTimeout(timer);
    this.#writesStalled--;
    this.proceed();
  }

  /** A slow reader of ours is told by `drained`; its silence meanwhile is none. */
  #wait(): void {
    if (!this.#patience) return;
    const { ms, code } = this.#patience;
    const own = this.#user.held || (this.#user.working && this.#parser.atBoundary) || this.#writesStalled > 0;
    if (own) this.#watch.rest();
    // A PDU that comes in drops does not give its sender more time.
    else if (!this.#watch.armed || this.#parser.pduCount !== this.#seenPdus) this.#watch.arm(ms, code);
    this.#seenPdus = this.#parser.pduCount;
  }

  #close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#gone = true;
    this.#watch.rest();
    this.#user.closed(this.#error);
  }
}
