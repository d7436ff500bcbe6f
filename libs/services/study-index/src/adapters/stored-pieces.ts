import { imaging } from '@callosum/contracts';
import type { DeflatedPiece } from '@callosum/gzip';

/** How the text is made. A newer one is another number: rows of the older are made anew when they are asked for. */
export const piecesVersion = 1;

/** A row's pieces: the version, and a MetadataFragment that has nothing but pieces. */
export const storedPieces = (pieces: readonly DeflatedPiece[]): Buffer =>
  Buffer.concat([
    Uint8Array.of(piecesVersion),
    imaging.MetadataFragment.encode(imaging.MetadataFragment.fromPartial({ pieces: [...pieces] })).finish(),
  ]);

/** @param stored by `storedPieces`, of this version */
export const readPieces = (stored: Uint8Array): imaging.DeflatedPiece[] =>
  imaging.MetadataFragment.decode(stored.subarray(1)).pieces;
