import { crc32 } from 'node:zlib';

import { crc32Combine } from './crc32-combine.js';
import { bytesOf, chunkBytesMin, type GzipRuns, isLiteral } from './piece.js';

/** RFC 1952 2.3: magic, deflate, no flags, no time, no hint of the level, an unknown operating system. */
const header = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff);
/** A final block of fixed Huffman codes that holds nothing but its end (RFC 1951 3.2.6). */
const lastBlock = Uint8Array.of(0x03, 0x00);
/** Of a stored block: its length has 16 bits (RFC 1951 3.2.4). */
const storedBytesMax = 0xffff;

/**
 * One gzip member (RFC 1952) of deflated pieces and of bytes between them, as a stream. Pieces are copied, never
 * inflated; bytes become stored blocks; the CRC-32 of the whole is combined from those of the parts. It is one member
 * whatever the number of parts: of members one after the other, Chromium reads the first alone and curl fails.
 * @param runs in order; taken when the reader has taken what came before them, and let go when it stops. Their bytes
 *   must not change before they have been given.
 * @returns chunks of 64 KiB and more, by the part that filled them; the last one of any length
 */
export async function* gzipMember(runs: GzipRuns): AsyncGenerator<Uint8Array> {
  const output = new Output();
  const literals = new Literals(output);
  output.add(header);
  let crc = 0;
  let byteCount = 0;
  for await (const run of runs) {
    for (const part of run) {
      if (isLiteral(part)) {
        const bytes = bytesOf(part);
        literals.add(bytes);
        crc = crc32(bytes, crc);
        byteCount += bytes.length;
      } else {
        literals.end();
        output.add(part.deflated);
        crc = crc32Combine(crc, part.crc32, part.byteCount);
        byteCount += part.byteCount;
      }
      if (output.byteCount >= chunkBytesMin) yield output.take();
    }
  }
  literals.end();
  output.add(lastBlock);
  output.add(trailer(crc, byteCount));
  yield output.take();
}

/** RFC 1952 2.3.1: CRC-32 and length, of which 32 bits are kept. */
function trailer(crc: number, byteCount: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(crc, 0);
  bytes.writeUInt32LE(byteCount % 2 ** 32, 4);
  return bytes;
}

/** What has been written and not been taken. */
class Output {
  #chunks: Uint8Array[] = [];
  #byteCount = 0;

  get byteCount(): number {
    return this.#byteCount;
  }

  add(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.#byteCount += bytes.length;
  }

  take(): Uint8Array {
    const all = Buffer.concat(this.#chunks, this.#byteCount);
    this.#chunks = [];
    this.#byteCount = 0;
    return all;
  }
}

/** Bytes that stand side by side share a stored block. */
class Literals {
  #waiting: Uint8Array[] = [];
  #byteCount = 0;

  constructor(private readonly output: Output) {}

  add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const taken = bytes.subarray(at, at + storedBytesMax - this.#byteCount);
      this.#waiting.push(taken);
      this.#byteCount += taken.length;
      at += taken.length;
      if (this.#byteCount === storedBytesMax) this.end();
    }
  }

  /** Ends the block: what was added since the last one, if anything. */
  end(): void {
    if (this.#byteCount === 0) return;
    const head = Buffer.alloc(5);
    head.writeUInt16LE(this.#byteCount, 1);
    head.writeUInt16LE(this.#byteCount ^ 0xffff, 3);
    this.output.add(head);
    for (const bytes of this.#waiting) this.output.add(bytes);
    this.#waiting = [];
    this.#byteCount = 0;
  }
}
