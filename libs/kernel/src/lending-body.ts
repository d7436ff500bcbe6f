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
    void this.#send(destination, options?.end ?? true);
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

  async #send(response: ServerResponse, ends: boolean): Promise<void> {
    const giveUp = (): void => this.#giveUp?.();
    response.once('close', giveUp);
    const gathering = new Gathering(response);
    try {
      for await (const piece of (this.#pieces = this.source(true))) {
        if (this.destroyed) return;
        if (!gathering.takes(piece) && !(await this.#isWritten(gathering, piece))) return void this.destroy();
      }
      if (this.destroyed) return;
      gathering.flush();
      if (ends) response.end();
      this.#end();
    } catch (error) {
      gathering.flush();
      this.destroy(error as Error);
    } finally {
      gathering.drop();
      response.off('close', giveUp);
    }
  }

  /** As a stream does that has been read: who listens hears that it ended, and it closes. */
  #end(): void {
    this.push(null);
    this.resume();
  }

  /** True when the kernel has all of a piece; false when it never will. An error of the connection closes it, which is heard. */
  #isWritten(gathering: Gathering, piece: Uint8Array): Promise<boolean> {
    return new Promise((resolve) => {
      this.#giveUp = () => resolve(false);
      if (this.destroyed || gathering.response.closed) resolve(false);
      else gathering.write(piece, () => resolve(true));
    });
  }
}

/**
 * Joins small pieces, and gives them to a response as one: each write costs, and is a chunk where no length was said. Whether those
 * of a response that is corked become one depends on the version of Node.
 */
class Gathering {
  #bytes = Buffer.allocUnsafe(1024);
  #byteCount = 0;
  #turn: NodeJS.Immediate | undefined;
  /** What was gathered is being written, and must not be written over. */
  #isLeaving = false;

  constructor(readonly response: ServerResponse) {}

  /** False for a piece that has to be written, and waited for. */
  takes(piece: Uint8Array): boolean {
    if (piece.length === 0) return true;
    const byteCount = this.#byteCount + piece.length;
    if (this.#isLeaving || piece.length > smallBytesMax || byteCount > gatheredBytesMax) return false;
    if (byteCount > this.#bytes.length) this.#grow(byteCount);
    this.#bytes.set(piece, this.#byteCount);
    this.#byteCount = byteCount;
    this.#turn ??= setImmediate(() => this.flush());
    return true;
  }

  /** @param written the kernel has it, and all before it */
  write(piece: Uint8Array, written: () => void): void {
    this.flush();
    this.#write(piece, written);
  }

  /** Writes what is gathered, and waits for nothing. */
  flush(): void {
    const gathered = this.#bytes.subarray(0, this.#byteCount);
    this.drop();
    // Who destroys the body may have ended the response since.
    if (gathered.length === 0 || this.response.writableEnded) return;
    this.#isLeaving = true;
    this.#write(gathered, () => (this.#isLeaving = false));
  }

  drop(): void {
    clearImmediate(this.#turn);
    this.#turn = undefined;
    this.#byteCount = 0;
  }

  #grow(byteCount: number): void {
    const more = Buffer.allocUnsafe(Math.min(Math.max(byteCount, 4 * this.#bytes.length), gatheredBytesMax));
    more.set(this.#bytes.subarray(0, this.#byteCount));
    this.#bytes = more;
  }

  #write(bytes: Uint8Array, written: () => void): void {
    this.response.write(bytes, (error) => {
      if (!error) written();
    });
  }
}

/** Pieces of any body, lent where it lends any; the first is asked for at once. */
export function piecesOf(body: Readable, isLent: boolean): AsyncIterableIterator<Uint8Array> {
  if (isLent && body instanceof LendingBody) return body.lent();
  body.read(0);
  return body[Symbol.asyncIterator]() as AsyncIterableIterator<Uint8Array>;
}
