import type { imaging } from '@callosum/contracts';

import type { FrameFragments, StoredPixelLayout } from '../domain/instance.js';

/** A study, a series of it or one instance of that. */
export interface InstanceScope {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid?: string;
  readonly sopInstanceUid?: string;
}

export type SeriesScope = Required<Omit<InstanceScope, 'sopInstanceUid'>>;

/** Where the pixels of an object are in its blob. */
export interface LocatedObject {
  readonly sopInstanceUid: string;
  readonly blobKey: string;
  readonly transferSyntaxUid: string;
  /** Undefined for what is no image. */
  readonly image: imaging.ImagePixel | undefined;
  /** Null where frames are no ranges of the blob. */
  readonly layout: Omit<StoredPixelLayout, 'frames'> | null;
  /** Of encapsulated pixels the frames asked for, in that order, in lists; one that is not there has no fragments. */
  readonly frames: Iterable<readonly FrameFragments[]>;
}

/** What others may ask the index. Those that stream, and those of a study, throw NotIndexedError for what is in no row. */
export interface IndexQueries {
  study(studyInstanceUid: string): Promise<imaging.Study>;
  demographics(studyInstanceUid: string): Promise<imaging.GetDemographicsResponse>;
  /** In instance order: by series, then instance number, then UID. */
  metadata(scope: InstanceScope): AsyncIterable<imaging.StreamMetadataResponse>;
  /** The same, deflated. */
  fragments(scope: InstanceScope): AsyncIterable<imaging.MetadataFragment>;
  locations(scope: InstanceScope): AsyncIterable<imaging.LocateInstancesResponse>;
  /**
   * Undefined when it is not indexed.
   * @param numbers from 1; empty: all frames
   */
  framesOfInstance(scope: Required<InstanceScope>, numbers: readonly number[]): Promise<LocatedObject | undefined>;
  /** Objects of one frame that have pixels, in instance order. */
  singleFrames(series: SeriesScope, limit: number): Promise<readonly LocatedObject[]>;
  /** Those of a study's blobs that no row was made from, in the order asked. */
  unindexed(studyInstanceUid: string, blobKeys: readonly string[]): Promise<readonly string[]>;
  /** The same without the layout of pixels, which is not read either. */
  blobs(scope: InstanceScope): AsyncIterable<imaging.LocateInstancesResponse>;
}
