import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

import type {
  AssociateRq,
  CommonExtendedNegotiation,
  ExtendedNegotiation,
  OperationsWindow,
  ProposedPresentationContext,
  RoleSelection,
  UserIdentity,
} from '../upper-layer/associate.js';

/** What an A-ASSOCIATE-RQ says about its sender, and what the connection does. */
export interface AssociationInfo {
  /** Ours, random: ties logs, spans and events of one association together. */
  readonly id: string;
  readonly callingAet: string;
  readonly calledAet: string;
  readonly remoteAddress: string;
  readonly implementationClassUid: string;
  readonly implementationVersion: string;
  readonly contexts: readonly ProposedPresentationContext[];
  readonly roles: readonly RoleSelection[];
  readonly extendedNegotiation: readonly ExtendedNegotiation[];
  readonly commonExtendedNegotiation: readonly CommonExtendedNegotiation[];
  readonly operationsWindow?: OperationsWindow;
  /** Whoever gets it checks it; it is for no log. */
  readonly userIdentity?: UserIdentity;
  /** Of a TLS connection. */
  readonly tls?: TlsInfo;
}

export interface TlsInfo {
  /** "TLSv1.3" */
  readonly protocol: string;
  readonly cipher: string;
  /** The peer's certificate is signed by an authority the server knows. */
  readonly authorized: boolean;
  readonly peerCertificate?: X509Certificate;
}

export function associationInfo(id: string, socket: Socket, { user, ...request }: AssociateRq): AssociationInfo {
  const tls = tlsInfo(socket);
  return {
    id,
    callingAet: request.callingAet,
    calledAet: request.calledAet,
    remoteAddress: socket.remoteAddress ?? '',
    implementationClassUid: user.implementationClassUid,
    implementationVersion: user.implementationVersionName,
    contexts: request.contexts,
    roles: user.roles,
    extendedNegotiation: user.extendedNegotiation,
    commonExtendedNegotiation: user.commonExtendedNegotiation,
    ...(user.operationsWindow ? { operationsWindow: user.operationsWindow } : {}),
    ...(user.userIdentity ? { userIdentity: user.userIdentity } : {}),
    ...(tls ? { tls } : {}),
  };
}

function tlsInfo(socket: Socket): TlsInfo | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const peerCertificate = socket.getPeerX509Certificate();
  return {
    protocol: socket.getProtocol() ?? '',
    cipher: socket.getCipher().name,
    authorized: socket.authorized,
    ...(peerCertificate ? { peerCertificate } : {}),
  };
}
