import type { DicomJson } from '@callosum/dicom';

import type { FindNegotiation } from '../domain/query-negotiation.js';
import type { FindIdentifier } from '../domain/query-model.js';

export interface IndexMatch {
  readonly dataset: DicomJson;
  /** Keys that were not matched by, or are not returned. */
  readonly unsupportedKeys: readonly string[];
}

/** What is searched, and the meaning of its values beyond the baseline. */
export type IndexSearch = FindIdentifier &
  Omit<FindNegotiation, 'relational'> & {
    /** Who asks, for whom turns are shared out; left out where it is this node itself. */
    readonly asker?: string;
  };

/** A study, or part of it. */
export interface StudyPart {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid?: string;
  readonly sopInstanceUid?: string;
}

/** Where a current instance lies. */
export interface LocatedInstance {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  /** As stored. */
  readonly transferSyntaxUid: string;
  readonly blobKey: string;
}

/**
 * What study-index knows. Answers come no faster than they are taken; `signal` ends them, with its reason.
 * @throws {IndexUnavailableError} @throws {IdentifierError} a value that cannot be read
 */
export interface QueryIndex {
  /** @throws {SearchTooBroadError} @throws {MatchTooLargeError} */
  search(search: IndexSearch, signal: AbortSignal): AsyncIterable<IndexMatch>;
  /** Current instances, in their order; none of what is not known. */
  instances(part: StudyPart, signal: AbortSignal): AsyncIterable<LocatedInstance>;
}

/** What the archive gives out at this moment. */
export interface CurrentInstances {
  /**
   * These of a study as they are now, in any order; what is hidden or gone is absent.
   * @throws {ArchiveUnavailableError}
   */
  now(studyInstanceUid: string, sopInstanceUids: readonly string[]): Promise<readonly LocatedInstance[]>;
}
