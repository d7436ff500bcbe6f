import type { inference } from '@callosum/contracts';
import type { Bundle, Observation } from '@callosum/fhir';

import type { FailureCounts } from '../domain/attempts.js';
import type { Dataset } from '../domain/dicom/dataset.js';
import type { ResultDocument } from '../domain/dicom/result-documents.js';
import type { PatientResource, ResourceKey } from '../domain/fhir/patient-resources.js';
import type { StudyContents } from '../domain/study-contents.js';

/** Reads what study-index knows of current instances. */
export interface StudyReader {
  /** @throws {StudyNotIndexedError} while the study is not indexed @throws {StudyTooLargeError} */
  study(studyInstanceUid: string): Promise<StudyContents>;
  /** Metadata of a series' current instances in DICOM JSON, by SOPInstanceUID. */
  instances(studyInstanceUid: string, seriesInstanceUid: string): Promise<ReadonlyMap<string, Dataset>>;
}

/** Permission to write under one decision, which a changed decision waits out (rule 3). */
export interface PublishLease {
  /** Of the linked Patient; '' under a quarantine. */
  readonly patientReference: string;
  /** @throws {LinkNotCurrentError} when the decision changed or the lease ran out: nothing may be written */
  confirm(): Promise<void>;
  /** Milliseconds the holder may go on writing, never more than the grantor waits. */
  remainingMs(): number;
  release(): Promise<void>;
}

/** To write for the linked Patient, or to take back what a quarantine forbids. */
export type LeasePurpose = 'publish' | 'withdraw';

export interface PublishLeases {
  /** @throws {LinkNotCurrentError} when the decision is not the study's current one, or not of the purpose's kind */
  acquire(claim: ClaimedPublication, purpose: LeasePurpose): Promise<PublishLease>;
}

/** The archive as the sink of DICOM results. */
export interface ResultArchive {
  /**
   * Enters the UIDs in the ledger of issued instances, then stores the objects in order: whoever meets the first
   * finds it known (rule 4). The same bytes again are success.
   */
  store(documents: readonly ResultDocument[], correlationId: string | undefined): Promise<void>;
  /** True when one of these instances of the study is withheld (docs/adr/0073): nothing may be said of it. */
  isWithheld(studyInstanceUid: string, sopInstanceUids: readonly string[]): Promise<boolean>;
  /** Hides stored objects of a result; the same objects stored again are shown again. */
  hide(studyInstanceUid: string, sopInstanceUids: readonly string[]): Promise<void>;
}

/** The FHIR server results go to. */
export interface FhirSink {
  /**
   * Sends one transaction; aborted after `timeoutMs`.
   * @throws {FhirUnavailableError} whose `outcome` says whether the server may have got it
   */
  transact(bundle: Bundle, timeoutMs: number): Promise<Bundle>;
  /** The resources these identifiers name, as they are now; those that are not there are left out. */
  find(keys: readonly ResourceKey[]): Promise<readonly PatientResource[]>;
}

/** What of a study was given to others, remembered before it is: a crash in between must not make it forgotten. */
export interface WrittenLedger {
  /** @throws {ClaimLostError} when another worker has the study now */
  aboutToWrite(claim: ClaimedPublication, keys: readonly ResourceKey[]): Promise<void>;
  /** @throws {ClaimLostError} when another worker has the study now */
  aboutToIssue(claim: ClaimedPublication, sopInstanceUids: readonly string[]): Promise<void>;
  /** Every FHIR resource of the study that was ever about to be written. */
  written(studyInstanceUid: string): Promise<readonly ResourceKey[]>;
  /** Own SEG and SR that no published result of the study stands on; what `claim` itself makes is among them. */
  outdatedInstances(claim: ClaimedPublication): Promise<ReadonlySet<string>>;
  /** Whether there is a result of the same study and model, published or about to be: the report is its. */
  hasResult(claim: ClaimedPublication): Promise<boolean>;
  /** Observations of the last publication of each result of the same study and model, `claim`'s own among them. */
  modelObservations(claim: ClaimedPublication): Promise<readonly Observation[]>;
  /** Own SEG and SR that this publication ever stored. */
  issuedBy(claim: ClaimedPublication): Promise<readonly string[]>;
  /** Observations that other results of the same study and model ever wrote. */
  earlierObservations(claim: ClaimedPublication): Promise<readonly Observation[]>;
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

/** `correction`: what was written under an earlier decision is withdrawn, or moved to the Patient linked now. */
export const publicationKinds = ['imaging-study', 'result', 'failure', 'correction'] as const;
export type PublicationKind = (typeof publicationKinds)[number];

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
  /** How earlier attempts failed since it was asked for. */
  readonly failures: FailureCounts;
  /** Of what was written last, to leave alone what has not changed; undefined when that may not stand any more. */
  readonly contentDigest?: string | undefined;
  /** Relative reference of the report it wrote; undefined when it never wrote one. */
  readonly diagnosticReport?: string | undefined;
  readonly imagingStudy?: string | undefined;
  readonly decision: 'linked' | 'quarantined';
  readonly decisionId: string;
  readonly decidedAt: Date;
  /** Where the decision was taken note of; undefined for one from before that was kept. */
  readonly decisionTraceparent?: string | undefined;
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
