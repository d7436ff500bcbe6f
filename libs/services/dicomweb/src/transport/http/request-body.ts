import type { Readable } from 'node:stream';

/** What is read of a request after its answer is known. More would only be a way to keep the server busy. */
const leftoverBytesMax = 256 * 1024 * 1024;
const leftoverMs = 10_000;

/**
 * A request's body that outlives its reader: who stops reading does not close it, since closing it would cut the
 * connection before the answer.
 */
export class RequestBody implements AsyncIterable<Uint8Array> {
  readonly #chunks: AsyncIterator<Uint8Array>;

  constructor(private readonly stream: Readable) {
    this.#chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return { next: () => this.#chunks.next() };
  }

  /**
   * Reads and forgets what is left: many clients look for an answer only when they have sent all, and take a
   * connection closed before that for a failure of the network.
   */
  async drain(): Promise<void> {
    const deadline = setTimeout(() => this.stream.destroy(), leftoverMs);
    try {
      for (let bytes = 0; bytes <= leftoverBytesMax;) {
        const next = await this.#chunks.next();
        if (next.done) return;
        bytes += next.value.length;
      }
    } catch {
      // The client is gone; there is nobody to answer.
    } finally {
      clearTimeout(deadline);
    }
  }
}
