import type { Readable } from 'node:stream';

/** What an A-ASSOCIATE-RQ says about its sender. */
export interface AssociationInfo {
  /** Ours, random: ties logs, spans and events of one association together. */
  readonly id: string;
  readonly callingAet: string;
  readonly calledAet: string;
  readonly remoteAddress: string;
  readonly implementationVersion: string;
}

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

/** An AE title (PS3.5 table 6.2-1): 1 to 16 characters of the default repertoire, not all spaces, no backslash, no controls. */
export const isAeTitle = (title: string): boolean => /^(?! *$)[\x20-\x5b\x5d-\x7e]{1,16}$/.test(title);

/** Local limit exceeded: transient, by the presentation layer; the sender tries again later. */
export const localLimitExceeded: AssociationRejection = Object.freeze({ result: 2, source: 3, reason: 2 });

/** One C-STORE-RQ. */
export interface StoreRequest {
  /** Affected SOP Class UID and Affected SOP Instance UID of the command. */
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
  /**
   * The dataset's bytes as they come, in the accepted transfer syntax, without file meta information. The sender is
   * slowed to the speed of whoever reads here. Fails with AssociationAbortedError when the rest never comes.
   */
  readonly dataset: Readable;
}

export interface StoreAnswer {
  readonly status: number;
  /** Error Comment (0000,0902), at most 64 characters; never about a patient. */
  readonly comment?: string;
}

export type AssociationEnd =
  | { readonly how: 'released' }
  /** By A-ABORT, from the peer or from us; `code` is stable. */
  | { readonly how: 'aborted'; readonly by: 'peer' | 'us'; readonly code: string }
  /** The connection went away without A-RELEASE or A-ABORT. */
  | { readonly how: 'lost' };

/** What is done with one accepted association; calls never overlap. */
export interface AssociationHandler {
  /** Must settle also when `dataset` fails; a rejection is answered with 0110. What is left unread is thrown away. */
  store(request: StoreRequest): Promise<StoreAnswer>;
  /** A C-ECHO was answered with success. */
  echoed?(): void;
  /** Once, after the last `store` has settled. */
  ended(end: AssociationEnd): Promise<void> | void;
}

export interface ScpServerOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Decides on each A-ASSOCIATE-RQ before anything is accepted. */
  readonly onAssociation: (
    association: AssociationInfo,
  ) => AssociationHandler | AssociationRejection | Promise<AssociationHandler | AssociationRejection>;
  /** Told of associations refused by a limit here, before `onAssociation`. */
  readonly onRejected?: (association: AssociationInfo, rejection: AssociationRejection) => void;
  /** Told of connections that end without an association (garbage, silence, a PDU too long), by a stable code. */
  readonly onBadConnection?: (remoteAddress: string, code: string) => void;
  /** Told of failures of a handler; the peer got 0110 or lost its association. */
  readonly onError: (error: unknown) => void;
  readonly limits?: Partial<ScpLimits>;
}

export interface ScpLimits {
  /** Longest PDU taken, and the maximum length announced to senders. */
  readonly pduBytesMax: number;
  /** Longest command set; the largest the standard knows has some 300 bytes. */
  readonly commandBytesMax: number;
  /** Longest dataset of one C-STORE. */
  readonly objectBytesMax: number;
  /** Dataset bytes held for a reader that is slower than the sender. */
  readonly bufferedBytesMax: number;
  readonly associationsMax: number;
  /** Connection until A-ASSOCIATE-RQ, and end of association until the peer closes (the ARTIM timer of PS3.8). */
  readonly artimMs: number;
  /** The peer's silence, or its slowness with one PDU, inside an association. Our own work does not count. */
  readonly idleTimeoutMs: number;
}

export const scpLimits: ScpLimits = Object.freeze({
  // DCMTK sends at most 128 KiB; more than 256 KiB made no transfer faster.
  pduBytesMax: 256 * 1024,
  commandBytesMax: 16 * 1024,
  // Native Pixel Data ends at 4 GiB (32 bit lengths); whole-slide and video objects in fragments may go past it.
  objectBytesMax: 16 * 1024 ** 3,
  // One PDU of headroom: the next one is read while this one is written.
  bufferedBytesMax: 256 * 1024,
  // Each holds at most about 1 MiB of buffers: 128 MiB in the worst case.
  associationsMax: 128,
  artimMs: 15_000,
  // Modalities pause between images of one association; two minutes is what most senders wait themselves.
  idleTimeoutMs: 120_000,
});
