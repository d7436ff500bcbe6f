const leastBytes = 256;
const nothing = Buffer.alloc(0);

/**
 * Bytes that come in pieces, copied into one buffer that doubles. The peer chooses the pieces: one that is kept as it
 * came costs an object, and holds the whole chunk of the socket's it lies in, however few bytes it has.
 */
export class GrowingBytes {
  #buffer: Buffer = nothing;
  #byteCount = 0;

  /** @param bytesMax more are never appended, so no more room is ever made */
  constructor(private readonly bytesMax: number) {}

  get byteCount(): number {
    return this.#byteCount;
  }

  append(bytes: Buffer): void {
    const byteCount = this.#byteCount + bytes.length;
    if (byteCount > this.#buffer.length) {
      const room = Math.min(Math.max(leastBytes, 2 * this.#buffer.length), this.bytesMax);
      const larger = Buffer.allocUnsafe(Math.max(byteCount, room));
      this.#buffer.copy(larger, 0, 0, this.#byteCount);
      this.#buffer = larger;
    }
    bytes.copy(this.#buffer, this.#byteCount);
    this.#byteCount = byteCount;
  }

  /** What was appended; it is kept here no more. */
  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.#byteCount);
    this.#buffer = nothing;
    this.#byteCount = 0;
    return taken;
  }
}
