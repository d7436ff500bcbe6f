import type { ConnectionOptions } from 'node:tls';

import type { RequestHandler } from '../services/handler.js';
import type { OperationsWindow } from '../upper-layer/associate.js';

export interface ScuOptions {
  readonly host: string;
  readonly port: number;
  /** At most 16 characters. */
  readonly calledAet: string;
  readonly callingAet: string;
  readonly timeouts?: Partial<ScuTimeouts>;
  /** DICOM TLS (PS3.15 annex B): as `tls.connect` takes them, without host and port. */
  readonly tls?: Omit<ConnectionOptions, 'host' | 'port' | 'socket' | 'path'>;
  readonly userIdentity?: UserIdentityRequest;
  /** Proposed; the peer grants as much or less. One operation at a time without it. */
  readonly operationsWindow?: OperationsWindow;
  /** Requests of the peer's: C-STOREs of a C-GET and N-EVENT-REPORTs. */
  readonly handler?: RequestHandler;
  /** Told of what `handler` throws. */
  readonly onError?: (error: unknown) => void;
  readonly limits?: Partial<ScuLimits>;
}

export interface ScuTimeouts {
  /** TCP connection and TLS handshake, and then the answer to A-ASSOCIATE-RQ and A-RELEASE-RQ. */
  readonly associateMs: number;
  /** From the end of a request, or the last bytes the peer took of it, to its response. */
  readonly responseMs: number;
}

export interface ScuLimits {
  /** Longest PDU we take and, when the peer names no limit, send. */
  readonly pduBytesMax: number;
  /** Longest identifier or attribute list of a response. */
  readonly identifierBytesMax: number;
  /** Longest object a C-GET brings. */
  readonly objectBytesMax: number;
  /** Bytes of responses and objects held for a reader that is slower than the peer. */
  readonly bufferedBytesMax: number;
}

/** Who we say we are (PS3.7 D.3.3.7); text travels in UTF-8. */
export type UserIdentityRequest = { readonly positiveResponseRequested?: boolean } & (
  | { readonly username: string; readonly passcode?: string }
  | { readonly kerberosTicket: Uint8Array }
  | { readonly samlAssertion: string }
  | { readonly jwt: string }
);

export interface ProposedContext {
  readonly abstractSyntaxUid: string;
  readonly transferSyntaxUids: readonly string[];
  /** What we want to be for this SOP class: `scp` for storage classes of a C-GET. SCU alone when absent. */
  readonly roles?: { readonly scu: boolean; readonly scp: boolean };
  /** SOP Class Extended Negotiation: service class application information. */
  readonly extendedNegotiation?: Uint8Array;
  /** SOP Class Common Extended Negotiation. */
  readonly common?: { readonly serviceClassUid: string; readonly relatedGeneralSopClassUids: readonly string[] };
}

export const scuTimeouts: ScuTimeouts = Object.freeze({
  associateMs: 10_000,
  // A busy archive may sort out a large object for a while before it answers.
  responseMs: 120_000,
});

export const scuLimits: ScuLimits = Object.freeze({
  pduBytesMax: 256 * 1024,
  // As a provider takes: the report of a commitment of 30,000 instances.
  identifierBytesMax: 4 * 1024 * 1024,
  objectBytesMax: 16 * 1024 ** 3,
  bufferedBytesMax: 256 * 1024,
});
