import type { Readable } from 'node:stream';

import type { AssociationEnd } from '../exchange/association-end.js';
import type { DatasetSource } from '../messages/fragments.js';

/** What every request says. */
export interface OperationRequest {
  readonly messageId: number;
  /** SOP class of the command. */
  readonly sopClassUid: string;
  /** Of the presentation context; the SOP class of some DIMSE-N services is another (UPS, meta SOP classes). */
  readonly abstractSyntaxUid: string;
  readonly transferSyntaxUid: string;
  /** Aborted by a C-CANCEL for this request, and when the association ends. */
  readonly signal: AbortSignal;
}

/** One C-STORE-RQ. */
export interface StoreRequest extends OperationRequest {
  /** Affected SOP Instance UID of the command. */
  readonly sopInstanceUid: string;
  /**
   * The dataset's bytes as they come, in the accepted transfer syntax, without file meta information. The sender is
   * slowed to the speed of whoever reads here. Fails with AssociationAbortedError when the rest never comes.
   */
  readonly dataset: Readable;
  /** Who asked for this C-STORE by a C-MOVE, when it says so. */
  readonly moveOriginator?: MoveOriginator;
}

export interface MoveOriginator {
  readonly aet: string;
  readonly messageId: number;
}

/** How an operation ended, where it did not fail by an error. */
export interface Answer {
  readonly status: number;
  /** Error Comment (0000,0902), at most 64 characters of the default repertoire; never about a patient. */
  readonly comment?: string;
  /** Offending Element (0000,0901): tags as numbers, group × 65,536 + element. */
  readonly offendingElements?: readonly number[];
}

export type StoreAnswer = Answer;

/** C-FIND-RQ and C-GET-RQ. */
export interface QueryRequest extends OperationRequest {
  readonly priority: number;
  /** The identifier, in `transferSyntaxUid`; at most `identifierBytesMax`. */
  readonly identifier: Buffer;
}

/** C-MOVE-RQ. */
export interface MoveRequest extends QueryRequest {
  readonly destination: string;
}

/** One match of a C-FIND. */
export interface Match {
  /** In the request's transfer syntax. */
  readonly identifier: Buffer;
  /** FF00, or FF01 when optional keys were not matched by; FF00 when absent. */
  readonly status?: number;
}

export interface SubOperationCounts {
  readonly remaining: number;
  readonly completed: number;
  readonly failed: number;
  readonly warning: number;
}

/** The end of a C-MOVE or C-GET. */
export interface RetrieveAnswer {
  /** With nothing remaining, or what a cancel left. */
  readonly counts: SubOperationCounts;
  /** Failed SOP Instance UID List (0008,0058), for the response's identifier. */
  readonly failedSopInstanceUids?: readonly string[];
  /**
   * 0000, B000 or A702 by the counts when absent, FE00 after a C-CANCEL (PS3.4 sections C.4.2.1.5 and C.4.3.1.4).
   */
  readonly status?: number;
  readonly comment?: string;
}

/** An object to send by C-STORE. */
export interface StoreOperation {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  /** Must be that of the context. */
  readonly transferSyntaxUid: string;
  readonly dataset: DatasetSource;
}

/** Sends the C-STORE sub-operations of a C-GET, on its own association. */
export interface SubOperationSender {
  /** Transfer syntaxes in which the peer takes objects of this SOP class; empty when it takes none. */
  transferSyntaxesFor(sopClassUid: string): readonly string[];
  /**
   * Resolves with the peer's answer. `dataset` is read at the speed the peer takes it.
   * @throws {ContextRefusedError} the peer takes none in this syntax; nothing was sent
   * @throws {AssociationAbortedError} the association ended; also when `dataset` fails after its first bytes were sent
   */
  store(object: StoreOperation): Promise<Answer>;
}

/** A request of the DIMSE-N services (PS3.7 chapter 10). */
export interface NormalizedRequest extends OperationRequest {
  /** Requested (of N-EVENT-REPORT and N-CREATE: Affected) SOP Instance UID; absent when an N-CREATE leaves it to us. */
  readonly sopInstanceUid?: string;
  /** Attribute list, event or action information, in `transferSyntaxUid`; absent when none was sent. */
  readonly dataset?: Buffer;
}

export interface EventReportRequest extends NormalizedRequest {
  readonly eventTypeId: number;
}

export interface ActionRequest extends NormalizedRequest {
  readonly actionTypeId: number;
}

export interface GetAttributesRequest extends NormalizedRequest {
  /** Attribute Identifier List: tags as numbers; empty asks for all. */
  readonly attributeIdentifiers: readonly number[];
}

export interface NormalizedAnswer extends Answer {
  /** Attribute list, event or action reply, in the request's transfer syntax. */
  readonly dataset?: Buffer;
  /** Error ID (0000,0903). */
  readonly errorId?: number;
  /** Attribute Identifier List (0000,1005): tags as numbers, of the attributes a failure or warning is about. */
  readonly attributeIdentifiers?: readonly number[];
  /** Of an N-CREATE that left its UID to us. */
  readonly sopInstanceUid?: string;
}

/**
 * What is done with the peer's requests; one without a method here is answered with 0211 (C-ECHO with success). Calls
 * overlap only as far as an asynchronous operations window was granted. Whatever a method throws, other than a
 * DimseStatusError, is a defect: it is told to `onError` and answered with 0110.
 */
export interface RefusedRequest {
  /** As PS3.7 writes it: "C-STORE". */
  readonly operation: string;
  /** What the peer sent in its place, whatever that is. */
  readonly sopInstanceUid: string | undefined;
  readonly status: number;
}

export interface RequestHandler {
  /** Must settle also when `dataset` fails. What is left unread is thrown away. */
  store?(request: StoreRequest): Promise<StoreAnswer>;
  /** Yields matches; what it returns is the final answer, success when nothing. A match waits until the peer reads. */
  find?(request: QueryRequest): AsyncIterable<Match, Answer | undefined | void>;
  /** Yields progress, as often as it likes. */
  move?(request: MoveRequest): AsyncIterable<SubOperationCounts, RetrieveAnswer>;
  get?(request: QueryRequest, sender: SubOperationSender): AsyncIterable<SubOperationCounts, RetrieveAnswer>;
  nEventReport?(request: EventReportRequest): Promise<NormalizedAnswer>;
  nGet?(request: GetAttributesRequest): Promise<NormalizedAnswer>;
  nSet?(request: NormalizedRequest): Promise<NormalizedAnswer>;
  nAction?(request: ActionRequest): Promise<NormalizedAnswer>;
  nCreate?(request: NormalizedRequest): Promise<NormalizedAnswer>;
  nDelete?(request: NormalizedRequest): Promise<NormalizedAnswer>;
  /** A C-ECHO was answered with success. */
  echoed?(): void;
  /** A C-STORE, or a request out of the window's order, was answered with a failure before anybody was asked. */
  refused?(request: RefusedRequest): void;
}

/** Requests of one accepted association, and its end. */
export interface AssociationHandler extends RequestHandler {
  /** Once, after the last request has settled. */
  ended(end: AssociationEnd): Promise<void> | void;
}
