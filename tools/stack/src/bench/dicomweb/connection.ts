import { connect, type Socket } from 'node:net';

import { AnswerParser } from './answer-parser.js';

/** As large as the reads of the archive: few reads for what is large. */
const readBytes = 256 * 1024;

export interface Exchange {
  /** The request, its head in the first piece. */
  readonly pieces: readonly Uint8Array[];
  /** Whether the answer's body is kept. */
  readonly keep: boolean;
}

export interface Exchanged {
  readonly answer: AnswerParser;
  /** On the clock of `performance.now`. */
  readonly headAt: number;
  readonly endAt: number;
}

/** An exchange that goes on. */
interface Going extends Exchange {
  readonly answer: AnswerParser;
  /** Pieces that the socket has. */
  given: number;
  headAt: number | undefined;
  readonly resolve: (exchanged: Exchanged) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A connection that takes one request after the other. What comes is read into the same bytes again and again (`onread`), so that
 * a read costs no memory; they are a connection's own, because a system may fill them before it says so.
 */
export class Connection {
  readonly #socket: Socket;
  #going: Going | undefined;
  #usable = true;
  #requests = 0;

  constructor(target: { readonly host: string; readonly port: number }) {
    const buffer = Buffer.allocUnsafeSlow(readBytes);
    const callback = (count: number): boolean => {
      this.#read(buffer, count);
      return true;
    };
    this.#socket = connect({ ...target, noDelay: true, onread: { buffer, callback } });
    this.#socket.on('drain', () => this.#give());
    this.#socket.on('end', () => this.#ended());
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('the connection was closed')));
  }

  /** Whether it takes another request. */
  get usable(): boolean {
    return this.#usable;
  }

  /** Requests that it has taken. */
  get requests(): number {
    return this.#requests;
  }

  /** @throws when the connection breaks, or what comes is no answer; {@link Unanswered} before anything of one has come */
  exchange(exchange: Exchange): Promise<Exchanged> {
    return new Promise((resolve, reject) => {
      this.#requests++;
      this.#socket.ref();
      const answer = new AnswerParser(exchange.keep);
      this.#going = { ...exchange, answer, given: 0, headAt: undefined, resolve, reject };
      this.#give();
    });
  }

  close(): void {
    this.#usable = false;
    this.#socket.destroy();
  }

  /** Pieces as they are, until the socket holds enough: it asks for more when these have left. */
  #give(): void {
    const going = this.#going;
    this.#socket.cork();
    for (let more = true; more && going && going.given < going.pieces.length; going.given++)
      more = this.#socket.write(going.pieces[going.given] ?? '');
    this.#socket.uncork();
  }

  #read(bytes: Buffer, count: number): void {
    const going = this.#going;
    // An answer that nobody asked for.
    if (!going) return this.close();
    try {
      const used = going.answer.push(bytes, count);
      if (going.answer.headRead) going.headAt ??= performance.now();
      if (going.answer.done) this.#finish(going, used === count);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #ended(): void {
    this.#usable = false;
    try {
      const going = this.#going;
      going?.answer.end();
      if (going) this.#finish(going, false);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** What of the request's body has not left by now is not sent: the server has said what it thinks of it (RFC 9112 9.5). */
  #finish(going: Going, wasAll: boolean): void {
    const endAt = performance.now();
    const { answer, headAt = endAt, given, pieces, resolve } = going;
    this.#going = undefined;
    const sent = given === pieces.length && this.#socket.writableLength === 0;
    // One that nobody waits for keeps no process.
    if (wasAll && sent && answer.persists && this.#usable) this.#socket.unref();
    else this.close();
    resolve({ answer, headAt, endAt });
  }

  #fail(error: Error): void {
    this.close();
    const going = this.#going;
    this.#going = undefined;
    going?.reject(going.answer.begun ? error : new Unanswered(error));
  }
}

/** A connection that ended before anything of an answer came. */
export class Unanswered extends Error {
  constructor(cause: Error) {
    super(`there was no answer: ${cause.message}`, { cause });
  }
}
