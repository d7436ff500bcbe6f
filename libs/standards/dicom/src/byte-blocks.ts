/** The shortest block; others are half as long as all before them, so that little of them stays empty. */
const blockBytesMin = 1024;
/** What is longer stands as it came; all else is copied, unless it is held elsewhere and longer than a block. */
const longBytes = 64 * 1024;

/**
 * Bytes that are written one behind the other, an element being two or three pieces of a few: short ones are copied into
 * blocks, since each costs a hundred bytes where it is kept by itself, and long ones are not.
 */
export class ByteBlocks {
  readonly #pieces: Uint8Array[] = [];
  #block: Buffer = Buffer.alloc(0);
  #used = 0;
  #length = 0;
  #ownBytes = 0;

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** Memory that is held here, and nowhere else. */
  get ownBytes(): number {
    return this.#ownBytes;
  }

  /** @param isHeld somebody else holds these bytes anyway */
  push(bytes: Uint8Array, isHeld = false): void {
    if (bytes.length <= (isHeld ? blockBytesMin : longBytes)) {
      this.reserve(bytes);
      return;
    }
    this.#close();
    this.#pieces.push(bytes);
    this.#length += bytes.length;
    if (!isHeld) this.#ownBytes += bytes.length;
  }

  /** @param bytes short ones @returns where they were written, to be put right once what follows is known */
  reserve(bytes: Uint8Array): Buffer {
    if (this.#used + bytes.length > this.#block.length) {
      this.#close();
      const blockBytes = Math.min(longBytes, Math.max(blockBytesMin, this.#length >>> 1));
      this.#block = Buffer.allocUnsafeSlow(Math.max(bytes.length, blockBytes));
      this.#ownBytes += this.#block.length;
    }
    const written = this.#block.subarray(this.#used, this.#used + bytes.length);
    written.set(bytes);
    this.#used += bytes.length;
    this.#length += bytes.length;
    return written;
  }

  /** All of it. Nothing is written here any more. */
  pieces(): readonly Uint8Array[] {
    this.#close();
    return this.#pieces;
  }

  /** What follows is no part of this block: its rest is for what follows that. */
  #close(): void {
    if (this.#used === 0) return;
    this.#pieces.push(this.#block.subarray(0, this.#used));
    this.#block = this.#block.subarray(this.#used);
    this.#used = 0;
  }
}
