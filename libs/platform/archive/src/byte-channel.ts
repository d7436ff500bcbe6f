/** Hands chunks from a writer to one reader, one at a time: the writer waits until the reader has taken each. */
export class ByteChannel implements AsyncIterable<Uint8Array> {
  #chunk: Uint8Array | undefined;
  #ended = false;
  #failure: unknown;
  #failed = false;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;

  /** Resolves when the reader has taken the chunk and asks for the next, or has gone. */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#ended || this.#failed) return;
    this.#chunk = chunk;
    this.#wakeReader?.();
    await new Promise<void>((resolve) => (this.#wakeWriter = resolve));
  }

  /** No more chunks come, or nobody reads them any more: a writer that waits goes on. */
  end(): void {
    this.#ended = true;
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }

  /** The reader's iteration throws `error`. */
  fail(error: unknown): void {
    this.#failed = true;
    this.#failure = error;
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        if (this.#failed) throw this.#failure;
        if (this.#chunk !== undefined) {
          const chunk = this.#chunk;
          this.#chunk = undefined;
          yield chunk;
          this.#wakeWriter?.();
          continue;
        }
        if (this.#ended) return;
        await new Promise<void>((resolve) => (this.#wakeReader = resolve));
      }
    } finally {
      this.#ended = true;
      this.#wakeWriter?.();
    }
  }
}
