import type { inference } from '@callosum/contracts';
import type { Bundle, Observation } from '@callosum/fhir';

import type { Dataset } from '../domain/dicom/dataset.js';
import type { ResultDocument } from '../domain/dicom/result-documents.js';
import type { StudyContents } from '../domain/study-contents.js';

/** Reads what study-index knows of current instances. */
export interface StudyReader {
  /** @throws {StudyNotIndexedError} while the study is not indexed */
  study(studyInstanceUid: string): Promise<StudyContents>;
  /** Metadata of a series' current instances in DICOM JSON, by SOPInstanceUID. */
  instances(studyInstanceUid: string, seriesInstanceUid: string): Promise<ReadonlyMap<string, Dataset>>;
}

/** Permission to write under one decision, which a changed decision waits out (rule 3). */
export interface PublishLease {
  readonly patientReference: string;
  /**
   * Milliseconds the caller may write from now.
   * @throws {LinkNotCurrentError} when the decision changed: nothing may be written
   */
  confirm(): Promise<number>;
  release(): Promise<void>;
}

export interface PublishLeases {
  /** @throws {LinkNotCurrentError} when the decision is not the study's current link */
  acquire(studyInstanceUid: string, decisionId: string, holder: string): Promise<PublishLease>;
}

/** The archive as the sink of DICOM results. */
export interface ResultArchive {
  /**
   * Enters the UIDs in the ledger of issued instances, then stores the objects in order: whoever meets the first
   * finds it known (rule 4). The same bytes again are success.
   */
  store(documents: readonly ResultDocument[], correlationId: string | undefined): Promise<void>;
}

/** The FHIR server results go to. */
export interface FhirSink {
  /** Sends one transaction; aborted after `timeoutMs`, when whether it happened is not known. */
  transact(bundle: Bundle, timeoutMs: number): Promise<Bundle>;
}

export interface ArtifactReader {
  /**
   * The JSON of an artifact: a result, or what a worker said.
   * @throws {ArtifactUnreadableError} when the bytes are gone or not those of the digest
   */
  read(artifact: inference.ArtifactRef): Promise<unknown>;
}

export interface LabelMapReader {
  /**
   * The voxels of a stored label map.
   * @throws {LabelMapUnreadableError} when the bytes are gone or not those of the digest
   */
  read(artifactKey: string, sha256: string, byteCount: number): Promise<Uint8Array>;
}

/** Trace and correlation of the fact that asked for a publication. */
export interface Origin {
  readonly traceparent?: string | undefined;
  readonly correlationId?: string | undefined;
  readonly causationId?: string | undefined;
}

export type PublicationKind = 'imaging-study' | 'result' | 'failure';

/** A publication claimed for one attempt, with the decision it may be published under. */
export interface ClaimedPublication extends Origin {
  readonly id: string;
  readonly kind: PublicationKind;
  readonly studyInstanceUid: string;
  readonly jobId?: string | undefined;
  readonly modelKey?: string | undefined;
  readonly studyRevision: number;
  /** ProtoJSON of the job's event; undefined for a study. */
  readonly payload?: unknown;
  /** How often it was asked for: a request that came meanwhile is not answered by this attempt. */
  readonly wanted: number;
  /** Attempts that failed before this one. */
  readonly attempts: number;
  /** Of what was written last, to leave an unchanged ImagingStudy alone. */
  readonly contentDigest?: string | undefined;
  readonly decisionId: string;
  readonly identityDigest: string;
  /** Fencing token of the claim. */
  readonly fence: number;
}

/** What a finished publication leaves behind. */
export interface PublicationOutcome {
  readonly decisionId: string;
  readonly patientReference: string;
  readonly studyRevision: number;
  readonly contentDigest: string;
  readonly imagingStudy: string;
  readonly diagnosticReport: string;
  readonly observations: readonly string[];
  readonly task: string;
  readonly segSopInstanceUid: string;
  readonly srSopInstanceUid: string;
  readonly writtenObservations: readonly Observation[];
}
