import type { imaging } from '@callosum/contracts';

/** A study, a series of it or one instance of that. */
export interface InstanceScope {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid?: string;
  readonly sopInstanceUid?: string;
}

/** What others may ask the index. All throw NotIndexedError for what is in no row. */
export interface IndexQueries {
  study(studyInstanceUid: string): Promise<imaging.Study>;
  demographics(studyInstanceUid: string): Promise<imaging.GetDemographicsResponse>;
  /** In instance order: by series, then instance number, then UID. */
  metadata(scope: InstanceScope): AsyncIterable<imaging.StreamMetadataResponse>;
  locations(scope: InstanceScope): AsyncIterable<imaging.LocateInstancesResponse>;
  /** The same without the layout of pixels, which is not read either. */
  blobs(scope: InstanceScope): AsyncIterable<imaging.LocateInstancesResponse>;
}
