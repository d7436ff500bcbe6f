import type { inference, worker } from '@callosum/contracts';

import type { AfterAttempt, AttemptFailure } from '../domain/attempt.js';
import type { Manifest } from '../domain/manifest.js';
import type { HeldReason } from '../domain/scheduling.js';
import type { IndexedStudy } from '../domain/selection.js';

/** Trace and correlation of the fact that asked for work. */
export interface Origin {
  readonly traceparent?: string | undefined;
  readonly correlationId?: string | undefined;
  readonly causationId?: string | undefined;
}

/** A job under one fencing token. */
export interface Job extends Origin {
  readonly id: string;
  readonly studyInstanceUid: string;
  readonly studyRevision: number;
  readonly seriesInstanceUid: string;
  /** In slice order. */
  readonly sopInstanceUids: readonly string[];
  readonly inputDigest: string;
  readonly grid: { readonly columns: number; readonly rows: number; readonly slices: number };
  readonly manifest: Manifest;
  readonly state: 'queued' | 'running' | 'completed' | 'failed' | 'superseded';
  /** Attempts made, the running one included. */
  readonly attempts: number;
  readonly fencingToken: bigint;
  readonly resultDigest: string | undefined;
  /** Why the last attempt that gave no result ended. */
  readonly lastFailure: AttemptFailure | undefined;
  readonly scheduledAt: Date;
  readonly attemptStartedAt: Date | undefined;
}

export interface HeldJob {
  readonly jobId: string;
  readonly fencingToken: bigint;
}

/** Where a job's input lies. */
export interface LocatedInstance {
  readonly sopInstanceUid: string;
  readonly blobKey: string;
  readonly blobByteCount: number;
  readonly contentDigest: string;
}

/** What study-index says. */
export interface Studies {
  /** @throws {StudyUnavailableError} @throws {StudyNotIndexedError} @throws {StudyTooLargeError} */
  study(studyInstanceUid: string): Promise<IndexedStudy>;
  /** Current source instances of a series. @throws as `study` does, also where the index shows nothing of the series */
  locate(studyInstanceUid: string, seriesInstanceUid: string): Promise<readonly LocatedInstance[]>;
}

/** A study's job, as people see it. */
export interface JobSummary {
  readonly jobId: string;
  readonly modelId: string;
  readonly modelVersion: string;
  readonly studyRevision: number;
  readonly seriesInstanceUid: string;
  readonly slices: number;
  readonly state: Job['state'];
  readonly attempts: number;
  readonly workerInstanceId: string | null;
  readonly progress: number | null;
  readonly stage: string | null;
  readonly lastFailure: string | null;
  /** Why it is offered to nobody; null when it is not held. */
  readonly heldReason: HeldReason | null;
  readonly selectionEvidence: readonly string[];
  readonly scheduledAt: Date;
  readonly endedAt: Date | null;
}

/** What people and metrics ask about jobs. */
export interface JobQueries {
  /** A study's jobs, newest first. */
  ofStudy(studyInstanceUid: string): Promise<readonly JobSummary[]>;
  /** How many jobs wait for a worker, by model. */
  queuedByModel(): Promise<readonly { readonly modelId: string; readonly count: number }[]>;
  /** A person lets a held job go. @returns false when there is no such job, or it is not held */
  release(jobId: string): Promise<boolean>;
  /** Jobs that ended long ago, and whose label maps are gone; as many as one sweep takes. */
  outlived(): Promise<readonly string[]>;
  remove(jobId: string): Promise<void>;
}

export interface ExpiredAttempt extends HeldJob {
  readonly failure: 'lease-expired' | 'deadline-exceeded';
  readonly traceparent: string | undefined;
}

/** A result that holds together, stored. */
export interface AcceptedResult {
  readonly artifact: inference.ArtifactRef;
  readonly digest: string;
  /** Object of its label map, when it has one. */
  readonly labelMapKey: string | undefined;
}

/** Attempts at jobs: rows with a lease and a fencing token. */
export interface Attempts {
  /**
   * Takes the longest due job of the model for this worker, with a higher token. One whose lease this very worker let
   * run out is for the others alone for the time of a lease.
   */
  claim(manifest: Manifest, workerInstanceId: string): Promise<Job | undefined>;
  /** @throws {StaleFencingTokenError} unless the job runs under this token */
  held(held: HeldJob): Promise<Job>;
  /** The job as it is, whoever holds it; undefined when there is none. */
  find(jobId: string): Promise<Job | undefined>;
  /** Renews leases that have not run out. @returns ids of the jobs that are still this worker's */
  renew(workerInstanceId: string, jobs: readonly HeldJob[]): Promise<ReadonlySet<string>>;
  /** Milliseconds left of the attempt; 0 when the job does not run under this token. */
  remainingMs(held: HeldJob): Promise<number>;
  /** Of `jobs`, those that run under that token, whatever their lease. */
  running(jobs: readonly HeldJob[]): Promise<readonly HeldJob[]>;
  /** Of `manifests`, those whose model has a job that is due. */
  due(manifests: readonly Manifest[]): Promise<readonly Manifest[]>;
  /** @returns false when the token is stale */
  progress(held: HeldJob, fraction: number, stage: string): Promise<boolean>;
  /**
   * State and event in one transaction.
   * @returns false when the job no longer runs under this token
   */
  complete(job: Job, accepted: AcceptedResult): Promise<boolean>;
  /**
   * Ends an attempt without a result; the job is queued again or fails with its event.
   * @returns undefined when the job no longer runs under this token, or is not expired after all
   */
  fail(held: HeldJob, failure: AttemptFailure, text: FailureText): Promise<AfterAttempt | undefined>;
  /** Attempts whose lease or deadline is over; as many as one sweep takes. */
  expired(): Promise<readonly ExpiredAttempt[]>;
}

/** Label maps of jobs: bytes in the object store, one row each. */
export interface LabelMaps {
  /** Distinct labels of each label map stored for the job, by digest. */
  labelsOf(jobId: string): Promise<ReadonlyMap<string, readonly number[]>>;
  keyOf(jobId: string, sha256: string): Promise<string | undefined>;
  /**
   * Streams the bytes into the object store.
   * @param labels read once the source has ended
   * @returns lower-case hex SHA-256
   */
  store(jobId: string, source: AsyncIterable<Uint8Array>, labels: () => readonly number[]): Promise<string>;
  /**
   * Removes what no accepted result names, once its job has ended, and everything of jobs that are to be pruned.
   * @returns how many
   */
  prune(): Promise<number>;
  /**
   * Removes objects without a row: of uploads that ended between the two, and of jobs that are gone.
   * @returns how many
   */
  sweep(now: Date): Promise<number>;
}

/** What workers wrote, apart from events: free text may hold what nobody can check for patient data. */
export interface Artifacts {
  /** The same content again is the same object. */
  store(jobId: string, json: unknown): Promise<inference.ArtifactRef>;
  /** Deletes all of a job's. */
  forget(jobId: string): Promise<void>;
}

/** Why an attempt failed, for people: in our words, or a reference to the worker's. */
export type FailureText = { readonly ours: string } | { readonly worker: inference.ArtifactRef };

/** Bytes of stored instances. */
export interface Blobs {
  read(key: string, offset: number, byteCount: number): Promise<Uint8Array>;
}

/** Models by registration; rows outlive their workers. */
export interface Models {
  /**
   * @param vendor whose credential registers; undefined where workers show none
   * @throws {InvalidManifestError} @throws {TooManyModelsError}
   * @throws {VendorMismatchError} when the manifest, or the model until now, is another vendor's
   */
  register(raw: worker.Manifest, vendor?: string): Promise<Manifest>;
  /** A worker serves the model still. */
  seen(manifest: Manifest): Promise<void>;
  /** Models not seen for long get no more jobs; their rows go with their last job. */
  retire(): Promise<void>;
  /** Of each model in use the version that registered last. */
  registered(): Promise<readonly RegisteredModel[]>;
}

export interface RegisteredModel {
  readonly manifest: Manifest;
  readonly registeredAt: Date;
}
