import type { ImagePixel, Tag } from '@callosum/dicom';

import type { ByteRange, KeptInstance } from './archive.js';
import type { LocatedFrames } from './index.js';
import type { RetrieveMemory } from './memory.js';

/** One frame as the archive keeps it. `{ ...frame, bytes: await frame.bytes() }` is what `@callosum/dicom` decodes. */
export interface StoredFrame {
  /** From 1. */
  readonly number: number;
  /** Of native pixels Explicit VR Little Endian, whatever they are stored in: so are the bytes. */
  readonly transferSyntaxUid: string;
  /** As its header says; impossible ones are refused. */
  readonly image: ImagePixel;
  /** The element it is of: Pixel Data, or floating-point pixels. */
  readonly tag: Tag;
  readonly vr: string;
  /** Bytes of it. */
  readonly byteCount: number;
  /** Where it is in the blob; undefined where it is no range of it (deflated objects, big-endian ones, frames that begin inside a byte). */
  readonly ranges?: readonly ByteRange[];
  /**
   * Its bytes: fragments joined, native frames from their first bit on, without what is behind the last. They are read when
   * this is called, into a buffer of their own, and nothing is held for them: who calls holds `byteCount`, and has seen that
   * it is none too many: a video is one frame.
   * @throws {RetrieveEndedError}
   */
  bytes(): Promise<Uint8Array>;
}

/** Frames for whoever decodes them. */
export interface FrameSource {
  /**
   * Each frame, in the order asked. What `memory` holds is let go while the first one is looked for, and after it no more.
   * @param numbers from 1
   * @throws {NotFoundError} when there is no such frame, or the instance has no pixels that frames can be told from
   * @throws {IndexBehindError} {TooLargeError} {MemoryTakenError} when it cannot be had now, or not at all
   */
  frames(instance: KeptInstance, numbers: readonly number[], memory: RetrieveMemory): AsyncGenerator<StoredFrame>;
}

/** The frame of one single-frame object. */
export interface SeriesFrame {
  readonly blobKey: string;
  readonly located: LocatedFrames;
}

/** What study-index knows of a whole series, for who will be asked for one frame after the other. */
export interface SeriesFrames {
  /** Single-frame objects only, 4,096 at most; none where the index cannot say. @throws {IndexUnavailableError} */
  ofSeries(studyInstanceUid: string, seriesInstanceUid: string, signal: AbortSignal): AsyncIterable<SeriesFrame>;
}
