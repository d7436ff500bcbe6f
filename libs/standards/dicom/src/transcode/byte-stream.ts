import { DicomParseError } from '../errors.js';

const nothing = new Uint8Array(0);

/** A source that need not give what nobody wants. */
export interface Jumps {
  /** Where less than this is passed over, it is read. */
  readonly jumpBytesMin: number;
  /** Goes on so many bytes further. Thrown when it ends before: DicomParseError. */
  jump(byteCount: number): void;
}

/** A stream of bytes read forward: looks ahead as far as asked, holds no more than that and one chunk. */
export class ByteStream {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #signal: AbortSignal | undefined;
  #window: Uint8Array = nothing;
  #at = 0;
  #start = 0;
  #isEnded = false;

  /** @param jumps the same source, where it can be passed over */
  constructor(
    chunks: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
    private readonly jumps?: Jumps,
  ) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#signal = signal;
  }

  /** Bytes taken so far. */
  get position(): number {
    return this.#start + this.#at;
  }

  /** Bytes that can be taken without waiting. */
  get available(): number {
    return this.#window.length - this.#at;
  }

  /** Makes so many bytes available, or all that are left. True when there are so many. */
  async fill(byteCount: number): Promise<boolean> {
    if (this.available >= byteCount) return true;
    const parts = [this.#window.subarray(this.#at)];
    let have = this.available;
    while (have < byteCount && !this.#isEnded) {
      this.#signal?.throwIfAborted();
      const { value, done } = await this.#chunks.next();
      if (done === true) this.#isEnded = true;
      else {
        parts.push(value);
        have += value.length;
      }
    }
    this.#start += this.#at;
    this.#at = 0;
    this.#window = parts.length === 2 && parts[0]?.length === 0 ? (parts[1] ?? nothing) : joined(parts, have);
    return have >= byteCount;
  }

  /** Up to so many of the available bytes, which stay. */
  peek(byteCount: number): Uint8Array {
    return this.#window.subarray(this.#at, Math.min(this.#at + byteCount, this.#window.length));
  }

  /** Up to so many of the available bytes; a view, not a copy. */
  take(byteCount: number): Uint8Array {
    const bytes = this.peek(byteCount);
    this.#at += bytes.length;
    return bytes;
  }

  /** Exactly so many bytes. Thrown when the stream ends before: DicomParseError. */
  async read(byteCount: number): Promise<Uint8Array> {
    if (!(await this.fill(byteCount))) throw truncated();
    return this.take(byteCount);
  }

  /** At least one byte and at most so many: what is there, else the next chunk. Errors as `read`. */
  async some(byteCount: number): Promise<Uint8Array> {
    if (this.available === 0 && !(await this.fill(1))) throw truncated();
    return this.take(byteCount);
  }

  /** Errors as `read`. */
  async skip(byteCount: number): Promise<void> {
    let left = byteCount - this.take(byteCount).length;
    if (this.jumps && left >= this.jumps.jumpBytesMin) {
      this.jumps.jump(left);
      this.#start += left;
      return;
    }
    while (left > 0) left -= (await this.some(left)).length;
  }

  /** The rest, chunk by chunk. */
  async *rest(): AsyncGenerator<Uint8Array> {
    while (await this.fill(1)) yield this.take(this.available);
  }

  /** Lets the source go; further calls do nothing. */
  async close(): Promise<void> {
    this.#isEnded = true;
    await this.#chunks.return?.();
  }
}

function joined(parts: readonly Uint8Array[], byteCount: number): Uint8Array {
  const bytes = new Uint8Array(byteCount);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export const truncated = (): DicomParseError => new DicomParseError('Truncated: the bytes end inside the dataset');
