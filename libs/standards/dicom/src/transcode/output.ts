const blockBytes = 64 * 1024;
/** Values from here on leave as they are, not copied into a block. */
const ownChunkBytes = 16 * 1024;

/** Gathers small pieces into chunks worth sending. */
export class Output {
  #ready: Uint8Array[] = [];
  #block: Buffer | undefined;
  #used = 0;
  #byteCount = 0;

  /** All bytes put in. */
  get byteCount(): number {
    return this.#byteCount;
  }

  /** @param bytes may be kept as a view: they must not change any more */
  put(bytes: Uint8Array): void {
    this.#byteCount += bytes.length;
    if (bytes.length >= ownChunkBytes) {
      this.#seal();
      this.#ready.push(bytes);
      return;
    }
    if (this.#block && this.#used + bytes.length > this.#block.length) this.#seal();
    this.#block ??= Buffer.allocUnsafeSlow(blockBytes);
    this.#block.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  /** Chunks that are full. */
  take(): readonly Uint8Array[] {
    if (this.#ready.length === 0) return none;
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }

  /** Everything left. */
  end(): readonly Uint8Array[] {
    this.#seal();
    return this.take();
  }

  #seal(): void {
    if (this.#block && this.#used > 0) this.#ready.push(this.#block.subarray(0, this.#used));
    this.#block = undefined;
    this.#used = 0;
  }
}

const none: readonly Uint8Array[] = [];
