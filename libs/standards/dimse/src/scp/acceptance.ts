import {
  chooseTransferSyntax,
  ContextResult,
  isStorageSopClass,
  isStorageService,
  verificationSopClassUid,
} from '../negotiation.js';
import type { AcceptedContext } from '../exchange/contexts.js';
import type {
  AnsweredPresentationContext,
  AssociateRq,
  CommonExtendedNegotiation,
  OperationsWindow,
  ProposedPresentationContext,
  RoleSelection,
  UserInformation,
} from '../upper-layer/associate.js';

/** One presentation context as it is proposed, with what the user information says of its SOP class. */
export interface ContextProposal {
  readonly abstractSyntaxUid: string;
  readonly transferSyntaxUids: readonly string[];
  readonly role?: RoleSelection;
  readonly common?: CommonExtendedNegotiation;
}

export interface ContextAcceptance {
  /** One of those proposed; undefined when none is usable (PS3.8 table 9-18, result 4). */
  readonly transferSyntaxUid: string | undefined;
  /** Objects of this SOP class may be sent on it by C-STORE. */
  readonly storage: boolean;
  /**
   * Roles the requestor may have (PS3.7 D.3.3.4); SCU alone when absent. Without a role selection it wants to be the SCU:
   * where it may not, the context is refused (result 1).
   */
  readonly requestorRoles?: { readonly scu: boolean; readonly scp: boolean };
}

/** What we accept of an association request. */
export interface AcceptancePolicy {
  /** Undefined: the abstract syntax is not supported (result 3). */
  accept(proposal: ContextProposal): ContextAcceptance | undefined;
  /**
   * Requests of the peer's served at the same time, and ours it may have unanswered, when it proposes an asynchronous
   * operations window; one at a time when absent or when it proposes none (PS3.7 D.3.3.3).
   */
  readonly operationsMax?: number;
  /** The answer to a SOP Class Extended Negotiation of an accepted SOP class; none when undefined (PS3.7 D.3.3.5). */
  readonly answerExtended?: (sopClassUid: string, information: Uint8Array) => Uint8Array | undefined;
  /** Server response of the positive answer to a user identity that asks for one (PS3.7 D.3.3.7.2). */
  readonly userIdentityResponse?: Uint8Array;
}

export interface StorageOptions {
  /** SOP classes that are stored beside those we know of: private ones. */
  readonly sopClassUids?: readonly string[];
  /** The answer to an extended negotiation of a Storage SOP class; none when absent. See `storageInformation`. */
  readonly information?: Uint8Array;
}

/**
 * Accepts Verification and what is stored: every Storage SOP class we know of, and those whose requestor names the
 * Storage service class or a storage class they are like (PS3.7 D.3.3.6).
 * @param preferred transfer syntaxes, the best first; see `chooseTransferSyntax`
 */
export function storagePolicy(preferred: readonly string[] = [], options: StorageOptions = {}): AcceptancePolicy {
  const { sopClassUids = [], information } = options;
  return {
    accept: ({ abstractSyntaxUid, transferSyntaxUids, common }) => {
      const storage =
        isStorageSopClass(abstractSyntaxUid) || sopClassUids.includes(abstractSyntaxUid) || isStorageService(common);
      if (!storage && abstractSyntaxUid !== verificationSopClassUid) return undefined;
      return { transferSyntaxUid: chooseTransferSyntax(transferSyntaxUids, preferred), storage };
    },
    // Asked of accepted classes only: what is not Verification is stored.
    answerExtended: (sopClassUid) => (sopClassUid === verificationSopClassUid ? undefined : information),
  };
}

/**
 * Service class application information of a Storage provider that keeps objects as they come (PS3.4 section B.3.1.2):
 * all attributes (level 2), digital signatures with every bit (level 3), no attribute coerced.
 */
export const storageInformation: Uint8Array = Uint8Array.of(2, 0, 3, 0, 0, 0);

export interface Negotiated {
  /** Contexts and user information of the A-ASSOCIATE-AC. */
  readonly answers: readonly AnsweredPresentationContext[];
  readonly user: Pick<UserInformation, 'roles' | 'extendedNegotiation' | 'operationsWindow' | 'userIdentityResponse'>;
  readonly contexts: readonly AcceptedContext[];
  readonly servedMax: number;
  readonly sentMax: number;
}

/** The answer to an association request by a policy. */
export function negotiate({ contexts: proposed, user }: AssociateRq, policy: AcceptancePolicy): Negotiated {
  const contexts: AcceptedContext[] = [];
  const roles = new Map<string, RoleSelection>();
  const answers = proposed.map((context): AnsweredPresentationContext => {
    const { id, abstractSyntaxUid, transferSyntaxUids } = context;
    const { result, accepted, role } = answerContext(context, user, policy);
    if (accepted) contexts.push(accepted);
    if (accepted && role) roles.set(abstractSyntaxUid, role);
    // Of what is refused the transfer syntax means nothing; some peers want one to be there.
    return { id, result, transferSyntaxUid: accepted?.transferSyntaxUid ?? transferSyntaxUids[0] ?? '' };
  });
  const acceptedClasses = new Set(contexts.map(({ abstractSyntaxUid }) => abstractSyntaxUid));
  // Each SOP class is answered once, however often it is asked about: as it stands last.
  const asked = new Map(user.extendedNegotiation.map(({ sopClassUid, information }) => [sopClassUid, information]));
  const extendedNegotiation = [...asked].flatMap(([sopClassUid, information]) => {
    const answer = acceptedClasses.has(sopClassUid) ? policy.answerExtended?.(sopClassUid, information) : undefined;
    return answer ? [{ sopClassUid, information: answer }] : [];
  });
  const operationsWindow = granted(user.operationsWindow, policy.operationsMax ?? 1);
  const { userIdentityResponse } = policy;
  const identityAsks = user.userIdentity?.positiveResponseRequested === true;
  return {
    answers,
    contexts,
    servedMax: operationsWindow?.invoked ?? 1,
    sentMax: operationsWindow?.performed ?? 1,
    user: {
      roles: [...roles.values()],
      extendedNegotiation,
      ...(operationsWindow ? { operationsWindow } : {}),
      ...(identityAsks && userIdentityResponse ? { userIdentityResponse } : {}),
    },
  };
}

interface ContextAnswer {
  readonly result: number;
  readonly accepted?: AcceptedContext;
  /** The answer to a role selection. */
  readonly role?: RoleSelection;
}

function answerContext(
  { id, abstractSyntaxUid, transferSyntaxUids }: ProposedPresentationContext,
  user: UserInformation,
  policy: AcceptancePolicy,
): ContextAnswer {
  const role = user.roles.find(({ sopClassUid }) => sopClassUid === abstractSyntaxUid);
  const common = user.commonExtendedNegotiation.find(({ sopClassUid }) => sopClassUid === abstractSyntaxUid);
  const proposal = { abstractSyntaxUid, transferSyntaxUids, ...(role ? { role } : {}), ...(common ? { common } : {}) };
  const acceptance = policy.accept(proposal);
  if (!acceptance) return { result: ContextResult.AbstractSyntaxNotSupported };
  const { transferSyntaxUid, storage, requestorRoles = { scu: true, scp: false } } = acceptance;
  if (transferSyntaxUid === undefined) return { result: ContextResult.TransferSyntaxesNotSupported };
  // Only what was asked for can be given; without a question the requestor wants to be the SCU.
  const scu = requestorRoles.scu && (role ? role.scu : true);
  const scp = role ? role.scp && requestorRoles.scp : false;
  if (!scu && !scp) return { result: ContextResult.UserRejection };
  return {
    result: ContextResult.Acceptance,
    accepted: { id, abstractSyntaxUid, transferSyntaxUid, storage, weAre: { scu: scp, scp: scu } },
    ...(role ? { role: { sopClassUid: abstractSyntaxUid, scu, scp } } : {}),
  };
}

/** The smaller of proposal and limit, where 0 proposes "no limit"; undefined is the window of one there is without it. */
function granted(proposed: OperationsWindow | undefined, most: number): OperationsWindow | undefined {
  if (!proposed || most <= 1) return undefined;
  const smaller = (count: number): number => Math.min(count === 0 ? most : count, most);
  return { invoked: smaller(proposed.invoked), performed: smaller(proposed.performed) };
}
