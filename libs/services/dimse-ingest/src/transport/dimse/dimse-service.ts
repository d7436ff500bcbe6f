import type {
  AcceptedAssociation,
  AssociationInfo,
  ContextAcceptance,
  ContextProposal,
  RequestHandler,
} from '@callosum/dimse';

/** One association as a service sees it. */
export interface OpenAssociation {
  readonly info: AssociationInfo;
  /** Host of the AE entry that let it in; undefined where everybody may call. */
  readonly entityHost?: string | undefined;
  /**
   * The association itself, for what we ask the peer on it (N-EVENT-REPORT); known once a request came.
   * @throws {Error} before that
   */
  readonly accepted: () => AcceptedAssociation;
}

/** What of a request handler a service beside C-ECHO and C-STORE may answer. */
export type ServiceHandler = Omit<RequestHandler, 'store' | 'echoed' | 'refused'>;

/**
 * One DIMSE service of this node (PS3.4), by the SOP classes it is asked on. C-ECHO and C-STORE are the session's own.
 * Spans, metrics and the log of each operation are the session's too: a service only answers.
 */
export interface DimseService {
  /** Abstract syntaxes it answers; each belongs to one service. */
  readonly abstractSyntaxUids: readonly string[];
  /** How it takes a presentation context of one of them; result 4 without a transfer syntax (PS3.8 table 9-18). */
  accept(proposal: ContextProposal): ContextAcceptance;
  /** The answer to a SOP Class Extended Negotiation (PS3.7 D.3.3.5); none when undefined. */
  answerExtended?(sopClassUid: string, information: Uint8Array): Uint8Array | undefined;
  /** Answers the requests of one association on its abstract syntaxes. */
  open(association: OpenAssociation): ServiceHandler;
}
