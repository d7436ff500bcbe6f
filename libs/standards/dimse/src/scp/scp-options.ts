import type { Server } from 'node:net';

import type { AssociationEnd } from '../exchange/association-end.js';
import type { AcceptedContext } from '../exchange/contexts.js';
import type { AssociationHandler, NormalizedAnswer } from '../services/handler.js';
import type { NormalizedOperation } from '../services/request-normalized.js';
import type { AcceptancePolicy } from './acceptance.js';
import type { AssociationInfo } from './association-info.js';
import type { ScpLimits } from './limits.js';

/** A-ASSOCIATE-RJ, PS3.8 table 9-21. */
export interface AssociationRejection {
  readonly result: number;
  readonly source: number;
  readonly reason: number;
}

/** Called AE title not recognized: permanent, by the service user. */
export const calledAetNotRecognized: AssociationRejection = Object.freeze({ result: 1, source: 1, reason: 7 });
/** Calling AE title not recognized: permanent, by the service user. */
export const callingAetNotRecognized: AssociationRejection = Object.freeze({ result: 1, source: 1, reason: 3 });
/** No reason given: permanent, by the service user; the answer to a user identity that is not let in. */
export const rejectedWithoutReason: AssociationRejection = Object.freeze({ result: 1, source: 1, reason: 1 });
/** Local limit exceeded: transient, by the presentation layer; the sender tries again later. */
export const localLimitExceeded: AssociationRejection = Object.freeze({ result: 2, source: 3, reason: 2 });
export const applicationContextNotSupported: AssociationRejection = Object.freeze({ result: 1, source: 1, reason: 2 });
export const protocolVersionNotSupported: AssociationRejection = Object.freeze({ result: 1, source: 2, reason: 2 });

/** An AE title (PS3.5 table 6.2-1): 1 to 16 characters of the default repertoire, not all spaces, no backslash, no controls. */
export const isAeTitle = (title: string): boolean => /^(?! *$)[\x20-\x5b\x5d-\x7e]{1,16}$/.test(title);

/** An association we accepted, as far as we may act on it ourselves. */
export interface AcceptedAssociation {
  readonly contexts: readonly AcceptedContext[];
  /** Resolves at its end. */
  readonly ended: Promise<AssociationEnd>;
  /**
   * N-EVENT-REPORT to the requestor, on the first context of `abstractSyntaxUid`.
   * @throws {ContextRefusedError} there is none @throws {AssociationAbortedError} the peer ended the association
   */
  nEventReport(abstractSyntaxUid: string, eventTypeId: number, event: NormalizedOperation): Promise<NormalizedAnswer>;
  /** A-ABORT; `code` is stable and told in the end of the association. */
  abort(code: string): void;
}

export interface AssociationAcceptance {
  readonly handler: AssociationHandler;
  /** `storagePolicy()` when absent. */
  readonly policy?: AcceptancePolicy;
  /** Called once the peer was told, before its first request. */
  readonly accepted?: (association: AcceptedAssociation) => void;
}

export type AssociationDecision = AssociationAcceptance | AssociationRejection;

export interface ScpServerOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /**
   * A server that does not listen yet; a plain one when absent. A `tls.Server` is DICOM TLS (PS3.15 annex B), with the
   * settings it was made with; its `setSecureContext` changes certificates for connections to come.
   */
  readonly server?: Server;
  /**
   * Decides on each A-ASSOCIATE-RQ before anything is accepted. `gone` aborts when the peer does not wait for it any
   * more; its reason may be thrown.
   */
  readonly onAssociation: (
    association: AssociationInfo,
    gone: AbortSignal,
  ) => AssociationDecision | Promise<AssociationDecision>;
  /** Told of associations refused by a limit here, before `onAssociation`. */
  readonly onRejected?: (association: AssociationInfo, rejection: AssociationRejection) => void;
  /** Told of connections that end without an association (garbage, silence, a PDU too long), by a stable code. */
  readonly onBadConnection?: (remoteAddress: string, code: string) => void;
  /** Told of failures of a handler; the peer got 0110 or lost its association. */
  readonly onError: (error: unknown) => void;
  readonly limits?: Partial<ScpLimits>;
}
