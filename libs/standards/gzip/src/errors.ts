import { CallosumError } from '@callosum/kernel';

/** Thrown when a stored piece does not inflate to the bytes that its length and CRC-32 promise. */
export class BrokenPieceError extends CallosumError {
  constructor(reason: string, options?: { cause?: unknown }) {
    super('gzip.piece-broken', 'internal', `a deflated piece is broken: ${reason}`, options);
  }
}
