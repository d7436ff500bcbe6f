/** A presentation context as it is proposed, PS3.8 section 9.3.2.2. */
export interface ProposedPresentationContext {
  /** Odd, 1 to 255, unique in its association. */
  readonly id: number;
  readonly abstractSyntaxUid: string;
  /** In the requestor's order. */
  readonly transferSyntaxUids: readonly string[];
}

/** A presentation context as it is answered, PS3.8 section 9.3.3.2. */
export interface AnsweredPresentationContext {
  readonly id: number;
  /** PS3.8 table 9-18: 0 is acceptance. */
  readonly result: number;
  /** Without meaning when it is not accepted. */
  readonly transferSyntaxUid: string;
}

/** SCP/SCU Role Selection (PS3.7 D.3.3.4): roles of the association requestor, per SOP class. */
export interface RoleSelection {
  readonly sopClassUid: string;
  readonly scu: boolean;
  readonly scp: boolean;
}

/** Asynchronous Operations Window (PS3.7 D.3.3.3), seen from the requestor; 0 is "no limit". */
export interface OperationsWindow {
  /** Requests the requestor may have unanswered. */
  readonly invoked: number;
  /** Requests the acceptor may have unanswered at the requestor. */
  readonly performed: number;
}

/** SOP Class Extended Negotiation (PS3.7 D.3.3.5): the service class says what the bytes mean. */
export interface ExtendedNegotiation {
  readonly sopClassUid: string;
  readonly information: Uint8Array;
}

/** SOP Class Common Extended Negotiation (PS3.7 D.3.3.6), in requests only. */
export interface CommonExtendedNegotiation {
  readonly sopClassUid: string;
  readonly serviceClassUid: string;
  readonly relatedGeneralSopClassUids: readonly string[];
}

/** Kinds of User Identity, PS3.7 table D.3-14. */
export const UserIdentityType = Object.freeze({
  Username: 1,
  UsernameAndPasscode: 2,
  Kerberos: 3,
  Saml: 4,
  Jwt: 5,
});

/** User Identity (PS3.7 D.3.3.7.1). Whoever gets it checks it; it is for no log. */
export interface UserIdentity {
  /** UserIdentityType, or a number of an edition yet to come. */
  readonly type: number;
  readonly positiveResponseRequested: boolean;
  /** User name (UTF-8), Kerberos service ticket, SAML assertion or JSON web token. */
  readonly primary: Uint8Array;
  /** The passcode (UTF-8); empty for other kinds. */
  readonly secondary: Uint8Array;
}

/** User information, PS3.7 annex D.3.3. */
export interface UserInformation {
  /** Longest P-DATA-TF its sender takes; 0 is "no limit" (PS3.8 annex D.1). */
  readonly pduBytesMax: number;
  readonly implementationClassUid: string;
  readonly implementationVersionName: string;
  readonly operationsWindow?: OperationsWindow;
  readonly roles: readonly RoleSelection[];
  readonly extendedNegotiation: readonly ExtendedNegotiation[];
  readonly commonExtendedNegotiation: readonly CommonExtendedNegotiation[];
  readonly userIdentity?: UserIdentity;
  /** Server response of a positive answer to a user identity (PS3.7 D.3.3.7.2); empty for user names. */
  readonly userIdentityResponse?: Uint8Array;
}

/** A-ASSOCIATE-RQ, PS3.8 section 9.3.2. */
export interface AssociateRq {
  /** Bit 0 is version 1, the only one there is. */
  readonly protocolVersion: number;
  readonly calledAet: string;
  readonly callingAet: string;
  readonly applicationContextUid: string;
  readonly contexts: readonly ProposedPresentationContext[];
  readonly user: UserInformation;
}

/** A-ASSOCIATE-AC, PS3.8 section 9.3.3. The AE titles in it are not tested by its receiver. */
export interface AssociateAc {
  readonly protocolVersion: number;
  readonly calledAet: string;
  readonly callingAet: string;
  readonly applicationContextUid: string;
  readonly contexts: readonly AnsweredPresentationContext[];
  readonly user: UserInformation;
}

/** The DICOM Application Context Name, PS3.7 annex A.2.1. */
export const dicomApplicationContextUid = '1.2.840.10008.3.1.1.1';
/** PS3.8 section 9.3.2.2: odd numbers up to 255. */
export const contextsMax = 128;
