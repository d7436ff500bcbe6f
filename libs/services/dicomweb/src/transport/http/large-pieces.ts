const pieceBytesMin = 64 * 1024;

/** Commas, addresses and datasets of some KiB as pieces that are worth a turn of the streams and a write to the socket. */
export async function* inLargePieces(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let some: Uint8Array[] = [];
  let byteCount = 0;
  for await (const piece of pieces) {
    some.push(piece);
    byteCount += piece.length;
    if (byteCount < pieceBytesMin) continue;
    yield some.length === 1 ? piece : Buffer.concat(some, byteCount);
    some = [];
    byteCount = 0;
  }
  if (byteCount > 0) yield Buffer.concat(some, byteCount);
}
