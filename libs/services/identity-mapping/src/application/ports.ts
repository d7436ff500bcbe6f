import type { Patient } from '@callosum/fhir';

import type { Decision, NewDecision } from '../domain/decision.js';
import type { PatientIdentifier } from '../domain/identifier.js';
import type { StudyDemographics } from '../domain/judgement.js';

/** study-index, as far as identity needs it. */
export interface StudyDirectory {
  demographics(studyInstanceUid: string): Promise<StudyDemographics>;
}

export type RecordPatient = Patient & { readonly id: string };

/** The clinical record's Patients. */
export interface PatientRecord {
  /**
   * The Patient, after merges (`replaced-by` links); undefined when there is none.
   * @throws {BrokenMergeError} when its merges lead to no Patient of this record
   */
  read(reference: string): Promise<RecordPatient | undefined>;
  /** Patients that carry the identifier, after merges, each once. @throws {BrokenMergeError} */
  findByIdentifier(identifier: PatientIdentifier): Promise<readonly RecordPatient[]>;
  /**
   * Creates unless a Patient carries the identifier already: then gives that one, after merges, with `created` false.
   * Undefined when several carry it.
   * @throws {BrokenMergeError}
   */
  createUnlessKnown(
    patient: Patient,
    identifier: PatientIdentifier,
  ): Promise<{ readonly patient: RecordPatient; readonly created: boolean } | undefined>;
}

/** Who a patient identifier was found to be; `createdFor` names the study whose judgement made the Patient. */
export interface KnownIdentifier {
  readonly patient: string | undefined;
  readonly createdFor: string | undefined;
}

/** Proof that this judgement alone works on an identifier. */
export interface IdentifierLock {
  readonly key: string;
  readonly token: number;
}

export interface DecisionCommit {
  readonly decision: NewDecision;
  /** The study's current decision when it was judged; undefined for the first one. */
  readonly expected: Decision | undefined;
  readonly lock?: IdentifierLock;
  /** Remembered with the decision: studies that follow find the Patient by it. */
  readonly mapping?: { readonly identifier: PatientIdentifier; readonly patient: string };
}

/** Decisions, the mapping and their locks, as rows. */
export interface DecisionStore {
  current(studyInstanceUid: string): Promise<Decision | undefined>;
  find(decisionId: string): Promise<Decision | undefined>;
  /** The decision that was made in answer to `decisionId`. */
  successorOf(decisionId: string): Promise<Decision | undefined>;
  identifier(identifier: PatientIdentifier): Promise<KnownIdentifier | undefined>;
  /** Notes, before a Patient is created, which study asked for it: a crash after the creation can be told from a stranger. */
  reserve(identifier: PatientIdentifier, studyInstanceUid: string): Promise<void>;
  /** Runs `work` while nobody else judges by this identifier. @throws {DecisionContentionError} after a bounded wait */
  withLock<T>(identifier: PatientIdentifier, work: (lock: IdentifierLock) => Promise<T>): Promise<T>;
  /**
   * Makes the decision the study's current one and tells of it, in one transaction, once no publish lease of the
   * decision before it is held: those are revoked first and waited out.
   * @throws {DecisionContentionError} when `expected` is no longer current or the lock was lost
   */
  commit(commit: DecisionCommit): Promise<void>;
}
