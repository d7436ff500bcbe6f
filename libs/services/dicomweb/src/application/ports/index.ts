import type { imaging } from '@callosum/contracts';
import type { ImagePixel } from '@callosum/dicom';
import type { DeflatedPiece } from '@callosum/gzip';

import type { ByteRange, KeptInstance, Selection } from './archive.js';

/** One dataset of the DICOM JSON model (PS3.18 F.2), as the index keeps it. */
export interface IndexedMetadata {
  readonly sopInstanceUid: string;
  /** The blob it was read from. */
  readonly blobKey: string;
  /** Between two of them stands the base URL of the service, without a slash at its end. */
  readonly pieces: readonly DeflatedPiece[];
  /** Sequences are left out of it, which were too long to be indexed; undefined where the index does not know. */
  readonly isPartial?: boolean | undefined;
}

/** Where frames are in the blob of an instance. */
export interface LocatedFrames {
  /** Undefined for what is no image. */
  readonly image: ImagePixel | undefined;
  readonly encapsulated: boolean;
  /** Of native pixels: the first byte of the first frame. */
  readonly nativeOffset: number;
  /** Bytes of a native frame; 0 where frames are no ranges of the blob, or are not known all to be in the value. */
  readonly nativeFrameBytes: number;
  /** Of native pixels: bytes of the value; 0 where the index does not say where it ends. */
  readonly nativeByteCount: number;
  /** Of encapsulated pixels: fragments of each frame asked for, in that order; none of one that is not there. */
  readonly frames: readonly (readonly ByteRange[])[];
}

/** What study-index answers. All throw IndexUnavailableError when it does not. */
export interface StudyIndexReader {
  /** In instance order; empty when the index does not know the selection. */
  metadata(selection: Selection, signal: AbortSignal): AsyncIterable<IndexedMetadata>;
  /**
   * @param numbers from 1, 4,096 at most; empty: all frames
   * @returns undefined when the index does not know this very blob of the instance
   */
  frames(kept: KeptInstance, numbers: readonly number[], signal: AbortSignal): Promise<LocatedFrames | undefined>;
  /**
   * Waits until these blobs of a study are indexed: as soon as all are, or `waitMs` milliseconds at most.
   * @param blobKeys 10,000 at most
   * @returns those that are not
   */
  awaitIndexed(
    studyInstanceUid: string,
    blobKeys: readonly string[],
    waitMs: number,
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>>;
  /**
   * Matches in the order of the search, in batches; never an empty one.
   * @param signal ends the search, and its statements in the database
   * @throws {BadRequestError} {TooLargeError} when a key is wrong, or the search too broad to be answered
   */
  search(request: imaging.SearchRequest, signal: AbortSignal): AsyncIterable<FoundRows>;
}

export interface FoundRows {
  /** None where nothing is found and keys are to be told. */
  readonly rows: readonly imaging.SearchRow[];
  /** Keys that were not matched or are not returned; the same in each batch. */
  readonly unsupportedKeys: readonly string[];
}
