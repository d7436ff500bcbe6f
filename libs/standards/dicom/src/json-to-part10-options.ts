import type { BytePieces } from './json.js';
import type { Tag } from './tags.js';

/** What came for a reference: the bytes of the value in little-endian order, or encapsulated frames, one fragment each. */
export type BulkValue = { readonly bytes: BytePieces } | { readonly frames: readonly BytePieces[] };

export interface Part10Options {
  readonly transferSyntaxUid: string;
  /** By path. Where a reference has none, `DicomWriteError`. */
  readonly values?: ReadonlyMap<string, BulkValue>;
  /** An element of the dataset itself that is left out, since its value is written between the two parts. */
  readonly around?: Tag;
}
