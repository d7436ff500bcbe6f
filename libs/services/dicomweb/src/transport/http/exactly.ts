import type { Readable } from 'node:stream';

import { LendingBody, piecesOf } from '@callosum/kernel';

/** A body that is longer or shorter than was said before it began. */
export class WrongLengthError extends Error {
  constructor(byteCount: number) {
    super(`a body is not of the ${String(byteCount)} bytes that were said`);
  }
}

/** Counts what comes of a body against the length that was said. */
export class LengthSaid {
  #left: number;

  /** @param byteCount undefined where none was said: then any will do */
  constructor(private readonly byteCount: number | undefined) {
    this.#left = byteCount ?? Infinity;
  }

  /** All that was said has come; never where nothing was said. */
  get isReached(): boolean {
    return this.#left === 0;
  }

  /** @returns the piece @throws {WrongLengthError} when it is too much */
  counted(piece: Uint8Array): Uint8Array {
    this.#left -= piece.length;
    if (this.#left < 0) throw new WrongLengthError(this.byteCount ?? 0);
    return piece;
  }

  /** @throws {WrongLengthError} when there should have been more */
  assertWhole(): void {
    if (this.byteCount !== undefined && this.#left > 0) throw new WrongLengthError(this.byteCount);
  }
}

/**
 * Passes on a body whose length has been said (Content-Length). One byte more would be read as the beginning of the next
 * answer of the connection, and one less waited for without end: both are cut.
 * Thrown from it: WrongLengthError.
 */
export function exactly(body: Readable, byteCount: number): Readable {
  const length = new LengthSaid(byteCount);
  const all = async function* (isLent: boolean): AsyncGenerator<Uint8Array, void, void> {
    for await (const piece of piecesOf(body, isLent)) yield length.counted(piece);
    length.assertWhole();
  };
  return new LendingBody(all).once('close', () => body.destroy());
}
