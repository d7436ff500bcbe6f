/** What a dataset to send comes from: pieces of any size, best of `chunkBytes`. */
export type DatasetSource = (chunkBytes: number) => AsyncIterable<Buffer>;

/** One fragment: pieces that follow each other in one presentation data value. */
export interface Fragment {
  readonly pieces: readonly Buffer[];
  readonly bytes: number;
  readonly last: boolean;
}

/**
 * Pieces of any size as fragments of `fragmentBytes`, without a copy; the last one may be shorter, and is there also
 * for a dataset without a byte. Only it may be of odd length: DCMTK refuses others.
 */
export async function* fragmentsOf(
  pieces: AsyncIterable<Buffer> | Iterable<Buffer>,
  fragmentBytes: number,
): AsyncGenerator<Fragment> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  for await (const piece of pieces) {
    if (piece.length === 0) continue;
    held.push(piece);
    heldBytes += piece.length;
    // One byte more than a fragment must be there: the last fragment has to say so.
    while (heldBytes > fragmentBytes) {
      const [first, rest] = split(held, fragmentBytes);
      yield { pieces: first, bytes: fragmentBytes, last: false };
      held = rest;
      heldBytes -= fragmentBytes;
    }
  }
  yield { pieces: held, bytes: heldBytes, last: true };
}

/** Bytes of a value in a P-DATA-TF the peer takes; even, and at least 2. @param pduBytesMax 0: no limit of the peer's */
export function fragmentBytesFor(pduBytesMax: number, ourPduBytesMax: number): number {
  const most = Math.min(pduBytesMax || ourPduBytesMax, ourPduBytesMax);
  return Math.max(2, (most - 6) & ~1);
}

function split(pieces: readonly Buffer[], bytes: number): [Buffer[], Buffer[]] {
  const first: Buffer[] = [];
  let needed = bytes;
  for (const [index, piece] of pieces.entries()) {
    if (piece.length > needed) {
      if (needed > 0) first.push(piece.subarray(0, needed));
      return [first, [piece.subarray(needed), ...pieces.slice(index + 1)]];
    }
    first.push(piece);
    needed -= piece.length;
  }
  return [first, []];
}
