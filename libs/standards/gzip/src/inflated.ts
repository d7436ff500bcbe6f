import { constants, crc32, createInflateRaw, inflateRawSync } from 'node:zlib';

import { BrokenPieceError } from './errors.js';
import { type DeflatedPiece, type GzipPart, isLiteral } from './piece.js';

/** A larger piece is inflated as a stream: in little memory, and without keeping others from their turn. */
const atOnceBytesMax = 256 * 1024;
/** A piece has no final block: its end is the end of a flush. */
const flush = constants.Z_SYNC_FLUSH;

/**
 * The bytes that `gzipMember` would have a client inflate, for clients that take no gzip.
 * @param parts in order; taken when the reader has taken what came before them, and let go when it stops
 * @throws {BrokenPieceError} when a piece does not hold what it promises; of a large one, some of it has been given by then
 */
export async function* inflated(parts: AsyncIterable<GzipPart> | Iterable<GzipPart>): AsyncGenerator<Uint8Array> {
  for await (const part of parts) {
    if (!isLiteral(part)) yield* part.byteCount > atOnceBytesMax ? inStream(part) : atOnce(part);
    else if (part.length > 0) yield typeof part === 'string' ? Buffer.from(part) : part;
  }
}

function* atOnce(piece: DeflatedPiece): Generator<Uint8Array> {
  if (piece.byteCount === 0 && piece.deflated.length === 0) return;
  const bytes = ((): Uint8Array => {
    try {
      return inflateRawSync(piece.deflated, { finishFlush: flush, maxOutputLength: Math.max(piece.byteCount, 1) });
    } catch (error) {
      throw new BrokenPieceError('it is no DEFLATE of that length', { cause: error });
    }
  })();
  check(piece, bytes.length, crc32(bytes));
  yield bytes;
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
