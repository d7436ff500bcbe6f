import { CallosumError, type ErrorKind } from '@callosum/kernel';

import { statusText } from './status.js';
import type { StoreOutcome } from './store-outcome.js';

/** Thrown when a peer breaks the upper layer protocol; it was answered with A-ABORT (PS3.8 section 9.3.8). */
export class ProtocolError extends CallosumError {
  /** @param abortReason reason of the A-ABORT we send as service provider, PS3.8 table 9-26 */
  constructor(
    code: string,
    message: string,
    readonly abortReason: number,
  ) {
    super(`dimse.${code}`, 'invalid', message);
  }
}

/** Thrown when no TCP connection or no answer to the association request comes in time. */
export class PeerUnreachableError extends CallosumError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('dimse.peer-unreachable', 'unavailable', message, options);
  }
}

/** Thrown when the peer answers A-ASSOCIATE-RJ; the three numbers are those of PS3.8 table 9-21. */
export class AssociationRejectedError extends CallosumError {
  constructor(
    readonly result: number,
    readonly source: number,
    readonly reason: number,
  ) {
    const kind: ErrorKind = result === 2 ? 'unavailable' : 'forbidden';
    super('dimse.association-rejected', kind, `association rejected: ${rejectionText(result, source, reason)}`);
  }
}

/** Thrown when the association ends before its work is done; `outcomes` holds what was answered until then. */
export class AssociationAbortedError extends CallosumError {
  outcomes: readonly StoreOutcome[] = [];
  /** Why we aborted it, as a stable code ("dimse.no-response"); undefined when the peer did, or the connection broke. */
  readonly abortCode: string | undefined;
  constructor(message: string, options?: { cause?: unknown; abortCode?: string }) {
    super('dimse.association-aborted', 'unavailable', message, options);
    this.abortCode = options?.abortCode;
  }
}

/** Thrown when the peer refuses the presentation context an instance needs (PS3.8 table 9-18). */
export class ContextRefusedError extends CallosumError {
  constructor(
    readonly abstractSyntaxUid: string,
    readonly transferSyntaxUid: string,
    readonly result: number,
  ) {
    const why = contextResults[result] ?? `result ${result}`;
    super('dimse.context-refused', 'forbidden', `${abstractSyntaxUid} in ${transferSyntaxUid} refused: ${why}`);
  }
}

/** What a response says beside its status. */
export interface StatusDetails {
  readonly comment?: string;
  readonly offendingElements?: readonly number[];
  readonly attributeIdentifiers?: readonly number[];
  readonly errorId?: number;
}

/**
 * Thrown when an operation ends with a status that is neither success, nor a warning, nor Cancel; and to be thrown by
 * a handler that answers so. The comment is for people and never about a patient.
 */
export class DimseStatusError extends CallosumError {
  readonly comment?: string;
  /** Offending Element (0000,0901): tags as numbers, group × 65,536 + element. */
  readonly offendingElements?: readonly number[];
  /** Attribute Identifier List (0000,1005) of a DIMSE-N response: which attributes it is about. */
  readonly attributeIdentifiers?: readonly number[];
  /** Error ID (0000,0903) of a DIMSE-N response. */
  readonly errorId?: number;

  constructor(
    readonly status: number,
    details: StatusDetails = {},
    options?: { cause?: unknown },
  ) {
    const text = details.comment ? `: ${details.comment}` : '';
    super('dimse.status', kindOfStatus(status), `status ${statusText(status)}${text}`, options);
    if (details.comment !== undefined) this.comment = details.comment;
    if (details.offendingElements !== undefined) this.offendingElements = details.offendingElements;
    if (details.attributeIdentifiers !== undefined) this.attributeIdentifiers = details.attributeIdentifiers;
    if (details.errorId !== undefined) this.errorId = details.errorId;
  }
}

/** PS3.7 annex C and PS3.4 tables B.2-1 and C.4-1 to C.4-3. */
function kindOfStatus(status: number): ErrorKind {
  if ((status & 0xff00) === 0xa700 || status === 0x0213) return 'unavailable';
  if (status === 0x0124) return 'forbidden';
  if (status === 0x0111) return 'conflict';
  if (status === 0x0112 || status === 0xa801) return 'not-found';
  return status === 0x0110 ? 'internal' : 'invalid';
}

/** Thrown when what is to be sent is no DICOM file (PS3.10 section 7.1). */
export class NotPart10Error extends CallosumError {
  constructor(message: string) {
    super('dimse.not-part10', 'invalid', message);
  }
}

const contextResults: Readonly<Record<number, string>> = {
  1: 'user rejection',
  2: 'no reason',
  3: 'abstract syntax not supported',
  4: 'transfer syntaxes not supported',
  255: 'not answered',
};

const rejectionReasons: Readonly<Record<string, string>> = {
  '1/1': 'no reason given',
  '1/2': 'application context name not supported',
  '1/3': 'calling AE title not recognized',
  '1/7': 'called AE title not recognized',
  '2/1': 'no reason given (ACSE)',
  '2/2': 'protocol version not supported',
  '3/1': 'temporary congestion',
  '3/2': 'local limit exceeded',
};

/** In words, with the three numbers: "called AE title not recognized (permanent, 1/1/7)". */
export function rejectionText(result: number, source: number, reason: number): string {
  const words = rejectionReasons[`${source}/${reason}`] ?? 'unknown reason';
  return `${words} (${result === 2 ? 'transient' : 'permanent'}, ${result}/${source}/${reason})`;
}
