import { imaging } from '@callosum/contracts';
import type { DeflatedPiece } from '@callosum/gzip';

/** How the text is made. A newer one is another number: rows of the older are made anew when they are asked for. */
export const piecesVersion = 1;

/** What a row has of a MetadataFragment. */
export type PiecesOfRow = Pick<imaging.MetadataFragment, 'pieces' | 'isPartial'>;

/**
 * A row's pieces: the version, and a MetadataFragment that has nothing else.
 * @param isPartial undefined where nobody knows; versions before did not say it
 */
export const storedPieces = (pieces: readonly DeflatedPiece[], isPartial: boolean | undefined): Buffer =>
  Buffer.concat([
    Uint8Array.of(piecesVersion),
    imaging.MetadataFragment.encode(imaging.MetadataFragment.fromPartial({ pieces: [...pieces], isPartial })).finish(),
  ]);

/** @param stored by `storedPieces`, of this version */
export const readPieces = (stored: Uint8Array): PiecesOfRow => imaging.MetadataFragment.decode(stored.subarray(1));
