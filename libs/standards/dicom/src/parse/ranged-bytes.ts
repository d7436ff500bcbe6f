import type { RangeReader } from '../pixels/layout.js';
import { type Jumps, truncated } from '../transcode/byte-stream.js';

const readBytesMin = 64 * 1024;
const readBytesMax = 1024 * 1024;

/** Bytes of a file from one place on, read by ranges; what is passed over for long is not read. */
export class RangedBytes implements AsyncIterable<Uint8Array>, Jumps {
  /** A further range costs an object store's answer time, in which some MiB come. */
  readonly jumpBytesMin = 4 * 1024 * 1024;
  #at: number;

  /** @param end of the file, in bytes */
  constructor(
    private readonly read: RangeReader,
    from: number,
    private readonly end: number,
  ) {
    this.#at = from;
  }

  /** Thrown where the file ends before: DicomParseError. */
  jump(byteCount: number): void {
    this.#at += byteCount;
    if (this.#at > this.end) throw truncated();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (let wanted = readBytesMin; this.#at < this.end; wanted = Math.min(readBytesMax, wanted * 2)) {
      const bytes = await this.read(this.#at, Math.min(wanted, this.end - this.#at));
      if (bytes.length === 0) throw truncated();
      this.#at += bytes.length;
      yield bytes;
    }
  }
}
