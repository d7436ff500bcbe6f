import type { CommitmentReport, CommitmentRequest, SopReference } from '@callosum/dimse';

import type { Commitment, KeptClasses } from '../domain/commitment.js';

export interface CommitmentToTake {
  /** `requestorKey` of who asks. */
  readonly aet: string;
  readonly transactionUid: string;
  readonly references: readonly SopReference[];
  readonly digest: string;
  readonly associationId: string;
  readonly traceparent?: string;
}

/** `repeated`: the same was asked before, and is reported again. `duplicate`: something else was, under its Transaction UID. */
export type TakenAs = 'new' | 'repeated' | 'duplicate';

/** A requestor whose reports are one worker's alone until its lease ends. */
export interface ClaimedRequestor {
  /** Its `requestorKey`. */
  readonly aet: string;
  /** Rises with each claim: what an earlier holder does is not recorded. */
  readonly fence: number;
  /** Attempts to reach it that failed in a row. */
  readonly attempts: number;
}

export interface GivenUp {
  readonly aet: string;
  readonly transactionUid: string;
  readonly errorCode: string;
}

export interface CommitmentCounts {
  readonly waiting: number;
  readonly givenUp: number;
  /** Age of the oldest that waits, in seconds; 0 when none does. */
  readonly oldestSeconds: number;
}

/** Why a requestor is left alone. */
export interface ReportFailure {
  readonly errorCode: string;
  readonly pauseMs: number;
  /** The request whose report it got when it broke off, which may be why: it waits so long on its own, behind the others. */
  readonly during?: { readonly id: string; readonly pauseMs: number } | undefined;
}

/** Commitment requests and what became of them, in rows. */
export interface Commitments {
  /**
   * Resolves when the request is durable.
   * @param holdMs for so long only the association it came on reports it
   * @throws {TooManyCommitmentsError}
   */
  take(request: CommitmentToTake, holdMs: number): Promise<{ readonly id: string; readonly as: TakenAs }>;
  /** Undefined when it is not waiting any more. */
  find(id: string): Promise<Commitment | undefined>;
  /** Told on the association it came on. */
  reportedHere(id: string): Promise<void>;
  /** The association it came on does not report it: whoever claims its requestor does. */
  letGo(id: string): Promise<void>;
  /** A requestor for whom something is due and whom nobody has. */
  claim(leaseMs: number): Promise<ClaimedRequestor | undefined>;
  /** The oldest due request of a claimed requestor; the lease begins anew. @throws {CommitmentClaimLostError} */
  next(claim: ClaimedRequestor, leaseMs: number): Promise<Commitment | undefined>;
  /** @throws {CommitmentClaimLostError} */
  reported(claim: ClaimedRequestor, id: string): Promise<void>;
  /** One report was refused: that request waits, others of its requestor do not. @throws {CommitmentClaimLostError} */
  refused(claim: ClaimedRequestor, id: string, errorCode: string, pauseMs: number): Promise<void>;
  /** Ends the claim. After a failure the requestor is left alone for `pauseMs`. */
  release(claim: ClaimedRequestor, failure?: ReportFailure): Promise<void>;
  /** Gives up what has waited longer than this, at most a page of it. */
  giveUp(ageMs: number): Promise<readonly GivenUp[]>;
  /** Forgets what ended longer ago than this. @returns how many */
  forget(days: number): Promise<number>;
  counts(): Promise<CommitmentCounts>;
}

/** What the archive keeps, by SOP Instance UID. */
export interface KeptInstances {
  /** @throws {ArchiveUnavailableError} */
  classesOf(sopInstanceUids: readonly string[]): Promise<KeptClasses>;
}

/** An association of ours to a requestor. */
export interface ReportChannel {
  /** Resolves when the requestor took it. @throws {ReportRefusedError} @throws {AssociationAbortedError} */
  report(report: CommitmentReport): Promise<void>;
  close(): Promise<void>;
}

export interface Requestors {
  /** @param requestor its `requestorKey` @throws {NotCallableError} and what opening an association throws */
  open(requestor: string): Promise<ReportChannel>;
}

/** Commitments we ask other nodes for, in rows: a report may come days later, to whichever replica. */
export interface AskedCommitments {
  /** @param asked with the node that is asked, and what for */
  add(asked: CommitmentRequest & { readonly aet: string }): Promise<void>;
  /** The node refused: there will be no report. */
  remove(transactionUid: string): Promise<void>;
  /**
   * Keeps the first report of a transaction. @param aet who reports
   * @returns false when this node was not asked under this UID, or not for these instances
   */
  reported(aet: string, report: CommitmentReport): Promise<boolean>;
  /** The report, when it has come. */
  reportOf(transactionUid: string): Promise<CommitmentReport | undefined>;
  /** Forgets what was asked longer ago than this. */
  forget(days: number): Promise<void>;
}

/** Nodes that take responsibility for what was sent to them. */
export interface Committers {
  /**
   * N-ACTION, and the report when it comes at once.
   * @throws {NotCallableError} @throws {DimseStatusError} the node refused, and what an association throws
   */
  ask(aet: string, request: CommitmentRequest): Promise<CommitmentReport | undefined>;
}
