import { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';

/** Pieces of a body, in order. */
export type Pieces = AsyncGenerator<Uint8Array, void, void>;

/**
 * Gives the pieces of a body.
 * @param isLent a piece is its reader's until it asks for the next, and is written over then; otherwise it stays as it is
 */
export type PiecesSource = (isLent: boolean) => Pieces;

/** A piece that is sent with what follows it in the same turn: the head of a part, the rest of a file. */
const smallBytesMax = 16 * 1024;
/** Small pieces that are not waited for. */
const gatheredBytesMax = 64 * 1024;

/**
 * A stream of bytes that lends its pieces to who sends them: `pipe` to an HTTP response asks for the next piece when the one
 * before is with the kernel, so that two buffers do for a body of any length. New ones for each piece are most of what sending
 * costs: pages to be mapped, and a collector that hears of none of them. Any other reader gets pieces that are its own.
 */
export class LendingBody extends Readable {
  #pieces: Pieces | undefined;
  #isReading = false;
  /** Ends the wait for a client. */
  #giveUp: (() => void) | undefined;

  constructor(
    private readonly source: PiecesSource,
    highWaterMark?: number,
  ) {
    super(highWaterMark === undefined ? {} : { highWaterMark });
  }

  /** Its pieces, lent: for who sends them, instead of reading or piping it, and once. */
  lent(): Pieces {
    return this.#whole((this.#pieces = this.source(true)));
  }

  override _read(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    void this.#push((this.#pieces ??= this.source(false)));
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#giveUp?.();
    // It ends when what it waits for has come; nobody is told how.
    void this.#pieces?.return().catch(() => undefined);
    done(error);
  }

  override pipe<T extends NodeJS.WritableStream>(destination: T, options?: { end?: boolean }): T {
    if (!(destination instanceof ServerResponse)) return super.pipe(destination, options);
    void this.#send(destination);
    return destination;
  }

  async *#whole(pieces: Pieces): Pieces {
    let isWhole = false;
    try {
      yield* pieces;
      // Who destroys it ends its pieces before their end.
      if (this.destroyed) throw this.errored ?? new Error('the body was closed before its end');
      isWhole = true;
    } finally {
      if (isWhole) this.#end();
      else this.destroy();
    }
  }

  async #push(pieces: Pieces): Promise<void> {
    try {
      for (let isWanted = true; isWanted;) {
        const { done, value } = await pieces.next();
        if (this.destroyed) return;
        if (done === true) return void this.push(null);
        isWanted = value.length === 0 || this.push(value);
      }
      this.#isReading = false;
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  async #send(response: ServerResponse): Promise<void> {
    const giveUp = (): void => this.#giveUp?.();
    response.once('close', giveUp);
    const corked = new Corked(response);
    try {
      for await (const piece of (this.#pieces = this.source(true))) {
        if (this.destroyed) return;
        if (!corked.takes(piece) && !(await this.#isWritten(corked, piece))) return void this.destroy();
      }
      if (this.destroyed) return;
      corked.end();
      this.#end();
    } catch (error) {
      corked.flush();
      this.destroy(error as Error);
    } finally {
      response.off('close', giveUp);
    }
  }

  /** As a stream does that has been read: who listens hears that it ended, and it closes. */
  #end(): void {
    this.push(null);
    this.resume();
  }

  /** True when the kernel has all of a piece; false when it never will. An error of the connection closes it, which is heard. */
  #isWritten(corked: Corked, piece: Uint8Array): Promise<boolean> {
    return new Promise((resolve) => {
      this.#giveUp = () => resolve(false);
      if (this.destroyed || corked.response.closed) resolve(false);
      else corked.write(piece, () => resolve(true));
    });
  }
}

/** A response whose small pieces leave with what follows them in the same turn. */
class Corked {
  #gathered = 0;
  #turn: NodeJS.Immediate | undefined;

  constructor(readonly response: ServerResponse) {}

  /** False for a piece that has to be written, and waited for. */
  takes(piece: Uint8Array): boolean {
    if (piece.length > smallBytesMax || this.#gathered + piece.length > gatheredBytesMax) return false;
    this.#gathered += piece.length;
    if (!this.#turn) this.response.cork();
    this.#turn ??= setImmediate(() => this.flush());
    this.response.write(Buffer.from(piece));
    return true;
  }

  /** @param written the kernel has it, and all before it */
  write(piece: Uint8Array, written: () => void): void {
    this.#gathered = 0;
    this.response.write(piece, (error) => {
      if (!error) written();
    });
    this.flush();
  }

  end(): void {
    // Its own uncorking would send the last chunk before those that are gathered.
    this.flush();
    this.response.end();
  }

  flush(): void {
    if (!this.#turn) return;
    clearImmediate(this.#turn);
    this.#turn = undefined;
    this.response.uncork();
  }
}

/** Pieces of any body, lent where it lends any; the first is asked for at once. */
export function piecesOf(body: Readable, isLent: boolean): AsyncIterableIterator<Uint8Array> {
  if (isLent && body instanceof LendingBody) return body.lent();
  body.read(0);
  return body[Symbol.asyncIterator]() as AsyncIterableIterator<Uint8Array>;
}
