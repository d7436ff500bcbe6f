import { constants, crc32, createInflateRaw, inflateRawSync } from 'node:zlib';

import { BrokenPieceError } from './errors.js';
import { bytesOf, chunkBytesMin, type DeflatedPiece, type GzipPart, type GzipRuns, isLiteral } from './piece.js';

/** A larger piece is inflated as a stream: in little memory, and without keeping others from their turn. */
const atOnceBytesMax = 256 * 1024;
/** A piece has no final block: its end is the end of a flush. */
const flush = constants.Z_SYNC_FLUSH;

/**
 * The bytes that `gzipMember` would have a client inflate, for clients that take no gzip.
 * @param runs in order; taken when the reader has taken what came before them, and let go when it stops
 * @returns chunks of 64 KiB and more, by the part that filled them; those of a large piece have 64 KiB, and the last
 *   before, in and behind one any length
 * @throws {BrokenPieceError} when a piece does not hold what it promises; of a large one, some of it has been given by then
 */
export async function* inflated(runs: GzipRuns): AsyncGenerator<Uint8Array> {
  const batch = new Batch();
  for await (const run of runs) {
    for (const part of run) {
      const isLarge = !isLiteral(part) && part.byteCount > atOnceBytesMax;
      if (!isLarge) batch.add(part);
      if (isLarge || batch.isFull) yield* batch.take();
      if (isLarge) yield* inStream(part);
    }
  }
  yield* batch.take();
}

/** Parts whose pieces are inflated together: an inflater takes longer to be made than a piece of some KiB to be inflated. */
class Batch {
  #parts: GzipPart[] = [];
  #byteCount = 0;
  #deflatedBytes = 0;

  /** True when it makes a chunk, or holds much that says it holds little. */
  get isFull(): boolean {
    return this.#byteCount >= chunkBytesMin || this.#deflatedBytes >= atOnceBytesMax;
  }

  add(part: GzipPart): void {
    this.#parts.push(part);
    this.#byteCount += isLiteral(part) ? part.length : part.byteCount;
    this.#deflatedBytes += isLiteral(part) ? 0 : part.deflated.length;
  }

  /** What was added since the last time, as one chunk; none when there is nothing. */
  *take(): Generator<Uint8Array> {
    const parts = this.#parts;
    this.#parts = [];
    this.#byteCount = this.#deflatedBytes = 0;
    const all = together(parts.flatMap((part) => (isLiteral(part) ? [] : [part])));
    let at = 0;
    const chunks = parts.map((part) => {
      if (isLiteral(part)) return bytesOf(part);
      const bytes = all.subarray(at, (at += part.byteCount));
      check(part, bytes.length, crc32(bytes));
      return bytes;
    });
    const chunk = Buffer.concat(chunks);
    if (chunk.length > 0) yield chunk;
  }
}

/** What pieces inflate to, one behind the other: each refers to nothing before it, and is checked by its CRC-32. */
function together(pieces: readonly DeflatedPiece[]): Uint8Array {
  const byteCount = pieces.reduce((sum, piece) => sum + piece.byteCount, 0);
  const deflated = Buffer.concat(pieces.map((piece) => piece.deflated));
  if (byteCount === 0 && deflated.length === 0) return deflated;
  try {
    // All fit into the first buffer, with room behind them.
    const options = { finishFlush: flush, chunkSize: byteCount + 64, maxOutputLength: Math.max(byteCount, 1) };
    const all = inflateRawSync(deflated, options);
    if (all.length === byteCount) return all;
  } catch (error) {
    throw new BrokenPieceError('it is no DEFLATE of that length', { cause: error });
  }
  throw new BrokenPieceError('its length is another');
}

async function* inStream(piece: DeflatedPiece): AsyncGenerator<Uint8Array> {
  const inflate = createInflateRaw({ finishFlush: flush, chunkSize: 64 * 1024 });
  let byteCount = 0;
  let crc = 0;
  inflate.end(piece.deflated);
  try {
    for await (const chunk of inflate as AsyncIterable<Uint8Array>) {
      byteCount += chunk.length;
      // What is longer than it says is not read to an end that may be far.
      if (byteCount > piece.byteCount) break;
      crc = crc32(chunk, crc);
      yield chunk;
    }
  } catch (error) {
    throw new BrokenPieceError('it is no DEFLATE', { cause: error });
  }
  check(piece, byteCount, crc);
}

function check(piece: DeflatedPiece, byteCount: number, crc: number): void {
  if (byteCount !== piece.byteCount) throw new BrokenPieceError('its length is another');
  if (crc !== piece.crc32) throw new BrokenPieceError('its CRC-32 is another');
}
