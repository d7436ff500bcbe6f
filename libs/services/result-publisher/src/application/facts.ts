import type { Origin, PublicationKind } from './ports.js';

export interface Decision {
  readonly state: 'linked' | 'quarantined';
  readonly decisionId: string;
  readonly identityDigest: string;
  /** Of a link. */
  readonly patientReference?: string | undefined;
  readonly decidedAt: Date;
}

export interface JobPublication {
  readonly kind: Exclude<PublicationKind, 'imaging-study' | 'correction'>;
  readonly jobId: string;
  readonly modelKey: string;
  readonly studyRevision: number;
  /** ProtoJSON of the job's event. */
  readonly payload: object;
}

/** One study's record, locked for the length of one fact. */
export interface StudyRecord {
  identityDigest(digest: string): Promise<void>;
  /** @returns true when the study has been complete at least once */
  completed(revision?: number): Promise<boolean>;
  /** @returns false when a later decision is known: links and quarantines come on two topics, in any order */
  decide(decision: Decision): Promise<boolean>;
  /** Asks for the study's ImagingStudy, again when it was published already. */
  wantStudy(): Promise<void>;
  /** Asks for a job's result or failure; a job's first outcome stands. */
  wantJob(job: JobPublication): Promise<void>;
  /** Asks for what was ever written of the study to be brought in line with the decision; nothing when nothing was. */
  wantCorrection(): Promise<void>;
  /** Asks again for what was published under another Patient than the linked one. */
  moveToLinkedPatient(): Promise<void>;
  /** Asks again for everything that was published: it is being withdrawn, and a later link lets it go. */
  holdBackPublished(): Promise<void>;
  /** Has the results published so far compared with their source again, and built again when that was corrected. */
  recheckResults(): Promise<void>;
  /** Lets go what waited for a link, and holds back what is due without one. */
  arm(): Promise<void>;
}

/** The fact being handled: its id makes its effect happen once, its origin stays with what it asks for. */
export interface Fact {
  readonly id: string;
  readonly origin: Origin;
}

export interface FactStore {
  /** Runs `work` in one transaction with the fact's inbox row; not at all when its effect is committed already. */
  once(fact: Fact, studyInstanceUid: string, work: (study: StudyRecord) => Promise<void>): Promise<void>;
}
