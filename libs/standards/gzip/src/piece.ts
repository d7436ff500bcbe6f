import { constants, crc32, deflateRawSync } from 'node:zlib';

/** Bytes deflated once, to be sent in many gzip members between others. */
export interface DeflatedPiece {
  /**
   * Raw DEFLATE (RFC 1951) without a final block. It ends at a byte, with the empty stored block of a full flush, and
   * refers to nothing before its own beginning: whatever stands before and after it may be any other block.
   */
  readonly deflated: Uint8Array;
  /** CRC-32 (RFC 1952 8) of the bytes it inflates to. */
  readonly crc32: number;
  /** How many bytes it inflates to. */
  readonly byteCount: number;
}

/** What a gzip member is made of: pieces, and bytes between them that nobody has deflated (text is UTF-8). */
export type GzipPart = DeflatedPiece | Uint8Array | string;

/** Parts in order, by whatever comes together: a turn of the event loop for each part would take longer than the part. */
export type GzipRuns = AsyncIterable<readonly GzipPart[]> | Iterable<readonly GzipPart[]>;

/** Chunks are at least so long but for the last: a response of small writes is slow, and more would only be held. */
export const chunkBytesMin = 64 * 1024;

/** True for bytes and text, which stand in a member as they are. */
export const isLiteral = (part: GzipPart): part is Uint8Array | string =>
  typeof part === 'string' || part instanceof Uint8Array;

/** A text is UTF-8. */
export const bytesOf = (literal: Uint8Array | string): Uint8Array =>
  typeof literal === 'string' ? Buffer.from(literal) : literal;

/**
 * Deflates a text, in UTF-8, for `gzipMember` (RFC 1951; level 6, zlib's own choice between time and size). A lone
 * surrogate becomes U+FFFD, which UTF-8 cannot hold otherwise. The empty text is an empty piece. The text is held and
 * deflated at once: whoever has a long one gives it in parts, each a piece.
 */
export function deflatePiece(text: string): DeflatedPiece {
  const bytes = Buffer.from(text);
  if (bytes.length === 0) return { deflated: new Uint8Array(), crc32: 0, byteCount: 0 };
  const deflated = deflateRawSync(bytes, { level: 6, finishFlush: constants.Z_FULL_FLUSH });
  return { deflated, crc32: crc32(bytes), byteCount: bytes.length };
}
