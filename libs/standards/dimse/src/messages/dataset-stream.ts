import { Readable } from 'node:stream';

import { GrowingBytes } from './growing-bytes.js';

const pieceBytes = 32 * 1024;
/** A piece of at least so many bytes is kept as it came: with it a chunk of the socket's, of 64 KiB. */
const smallBytes = 12 * 1024;

/**
 * A dataset on its way in, as a stream of the bytes the socket gave. What nobody has read yet is counted outside,
 * over all datasets of the association, so it keeps a queue of its own and gives Node's buffer one piece at a time.
 */
export class DatasetStream extends Readable {
  #queue: Buffer[] = [];
  /** The end of the queue: small pieces, copied together. */
  readonly #small = new GrowingBytes(pieceBytes);
  #wanted = false;
  #complete = false;

  /** @param taken bytes that are held no more: read, or thrown away */
  constructor(private readonly taken: (bytes: number) => void) {
    // Object mode: what is read is one piece. In byte mode Node joins pieces to one, by a copy of each.
    super({ objectMode: true, highWaterMark: 1 });
    this.on('error', () => undefined); // told to whoever reads; nobody may be reading
  }

  /** @returns bytes that are held until `taken` names them */
  append(bytes: Buffer): number {
    if (this.destroyed || bytes.length === 0) return 0;
    if (this.#wanted) {
      this.#wanted = false;
      this.push(bytes);
      return 0;
    }
    if (bytes.length >= smallBytes) {
      this.#queueSmall();
      this.#queue.push(bytes);
    } else {
      if (this.#small.byteCount + bytes.length > pieceBytes) this.#queueSmall();
      this.#small.append(bytes);
    }
    return bytes.length;
  }

  /** The last bytes were appended. */
  complete(): void {
    this.#complete = true;
    if (this.#wanted && !this.destroyed) this.push(null);
  }

  override _read(): void {
    const bytes = this.#next();
    if (bytes) {
      this.push(bytes);
      this.taken(bytes.length);
    } else if (this.#complete) this.push(null);
    else this.#wanted = true;
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#queueSmall();
    const held = this.#queue.reduce((sum, bytes) => sum + bytes.length, 0);
    this.#queue = [];
    if (held > 0) this.taken(held);
    done(error);
  }

  /** Small fragments go together: each piece costs its reader a write. */
  #next(): Buffer | undefined {
    this.#queueSmall();
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && (count === 0 || bytes < pieceBytes))
      bytes += this.#queue[count++]?.length ?? 0;
    const pieces = this.#queue.splice(0, count);
    return pieces.length > 1 ? Buffer.concat(pieces, bytes) : pieces[0];
  }

  #queueSmall(): void {
    if (this.#small.byteCount > 0) this.#queue.push(this.#small.take());
  }
}
