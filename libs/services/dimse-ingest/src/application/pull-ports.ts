import type { DicomJson } from '@callosum/dicom';
import type { RequestHandler, RetrieveOutcome, SubOperationCounts } from '@callosum/dimse';

import type { CallableEntity } from '../domain/application-entity.js';
import type { FoundStudy, PullSelector } from '../domain/pull.js';

export interface PullRequest {
  readonly source: string;
  readonly selector: PullSelector;
  readonly idempotencyKey?: string | undefined;
  /** Who asked, as the token names them. */
  readonly requestedBy: string;
  readonly traceparent?: string | undefined;
}

export type PullState = 'waiting' | 'finding' | 'retrieving' | 'completed' | 'failed' | 'cancelled';

/** A pull as people see it. */
export interface PullView {
  readonly id: string;
  readonly number: number;
  readonly source: string;
  /** Undefined once it is erased. */
  readonly selector: PullSelector | undefined;
  readonly state: PullState;
  readonly errorCode: string | undefined;
  /** Studies: found at the source, of those asked for, and how many of those failed; undefined before they are looked for. */
  readonly found: number | undefined;
  readonly asked: number;
  readonly failedStudies: number;
  /** Instances, as the source counts them. */
  readonly expected: number;
  readonly received: number;
  readonly failed: number;
  readonly requestedBy: string;
  readonly createdAt: Date;
  readonly endedAt: Date | undefined;
  readonly nextAttemptAt: Date | undefined;
}

/** A pull somebody works on. */
export interface ClaimedPull {
  readonly id: string;
  readonly fence: number;
  readonly source: string;
  readonly selector: PullSelector;
  /** Whether its studies are known. */
  readonly isFound: boolean;
  readonly traceparent: string | undefined;
}

/** How its source has served a pull until now. */
export interface PullStanding {
  /** Times it was broken off since something last came. */
  readonly attempts: number;
  /** Since its source was first away, and nothing has come from it; 0 when it is not. */
  readonly awayMs: number;
  /** It gave a study. */
  readonly gave: boolean;
}

export interface PullStudy extends FoundStudy {
  /** Times it failed by itself since its source last gave a study. */
  readonly failures: number;
}

/** `again`: it failed, and is asked for once more; `waiting`: its source has no room now. */
export type PullStudyState = 'completed' | 'failed' | 'again' | 'waiting';

/** `answering`: without those that were away at the last attempt. */
export type PullSources = 'all' | 'answering';

/** Pulls as rows. What changes a claimed one throws PullLostError when it was cancelled or another worker has it. */
export interface Pulls {
  /**
   * The pull of this request: a new one, or the unfinished one that asks for the same, or that of the caller's key.
   * @throws {IdempotencyKeyReusedError} @throws {TooManyPullsError}
   */
  request(request: PullRequest, openMax: number): Promise<{ readonly id: string; readonly isNew: boolean }>;
  find(id: string): Promise<PullView | undefined>;
  /** Newest first. @param before number of the last one of the page before */
  list(limit: number, before?: number): Promise<readonly PullView[]>;
  /** @returns false when it has ended already; @throws {UnknownPullError} */
  cancel(id: string): Promise<boolean>;
  /** The one that waits for longest, of those whose source nobody asks. */
  claim(leaseMs: number, sources?: PullSources): Promise<ClaimedPull | undefined>;
  /** @returns false when it is lost */
  renew(claim: ClaimedPull, leaseMs: number): Promise<boolean>;
  /** Studies that are left out have failed by it. @param incomplete why there may be more: the pull fails by it at its end */
  found(claim: ClaimedPull, studies: readonly FoundStudy[], incomplete?: string): Promise<void>;
  /** Studies that are still to come, those asked for most last. */
  open(claim: ClaimedPull): Promise<readonly PullStudy[]>;
  progress(claim: ClaimedPull, studyInstanceUid: string, counts: SubOperationCounts): Promise<void>;
  /** A study ended, or is to be asked for again. One that came clears the failures of the others. */
  studyEnded(
    claim: ClaimedPull,
    studyInstanceUid: string,
    state: PullStudyState,
    counts: SubOperationCounts,
    code?: string,
  ): Promise<void>;
  standing(claim: ClaimedPull): Promise<PullStanding>;
  /** Lets it go; due again after `delayMs`. Counted as an attempt where `code` says why. */
  later(claim: ClaimedPull, delayMs: number, code?: string): Promise<void>;
  /** Where no code is given, it failed when one of its studies did, or when not all were found. */
  end(claim: ClaimedPull, code?: string): Promise<void>;
  /** Erases selectors of pulls that ended `selectorDays` ago, and forgets those that ended `days` ago. */
  prune(selectorDays: number, days: number): Promise<void>;
}

export interface RetrieveProgress {
  readonly signal: AbortSignal;
  readonly onProgress: (counts: SubOperationCounts) => void;
}

export interface FindProgress {
  readonly signal: AbortSignal;
  /** Told why the matches are not all there are: a code. */
  readonly onIncomplete: (code: string) => void;
}

/** Nodes we pull from. Errors are those of the DIMSE library. */
export interface PullSource {
  find(entity: CallableEntity, identifier: DicomJson, progress: FindProgress): AsyncIterable<DicomJson>;
  /** C-MOVE to this node. */
  move(entity: CallableEntity, identifier: DicomJson, progress: RetrieveProgress): Promise<RetrieveOutcome>;
  /** C-GET; objects come to `store`. */
  get(
    entity: CallableEntity,
    identifier: DicomJson,
    study: Pick<PullStudy, 'sopClassUids' | 'failures'>,
    store: NonNullable<RequestHandler['store']>,
    progress: RetrieveProgress,
  ): Promise<RetrieveOutcome>;
}
