import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

import { errorMessage } from '@callosum/kernel';

import { AssociationAbortedError, AssociationRejectedError, PeerUnreachableError, ProtocolError } from '../errors.js';
import type { AssociateAc } from '../upper-layer/associate.js';
import { decodeAssociateAc } from '../upper-layer/associate-codec.js';
import { abortPdu, AbortReason, PduType } from '../upper-layer/pdu.js';
import { Transport, type TransportUser } from '../upper-layer/transport.js';
import type { ScuOptions } from './scu-options.js';

/** Longest A-ASSOCIATE-AC: 128 contexts of some 80 bytes, and the user information. */
const associateBytesMax = 128 * 1024;

/** @throws {PeerUnreachableError} no connection in time, or no TLS */
export async function connected({ host, port, tls }: ScuOptions, timeoutMs: number): Promise<Socket> {
  let socket: Socket | undefined;
  try {
    // Throws by itself where the profile refuses our own certificate: that is no fault of what is to be sent.
    socket = tls ? connectTls({ ...tls, host, port }) : connect({ host, port, noDelay: true });
    socket.on('error', () => undefined); // told by whoever waits
    await once(socket, tls ? 'secureConnect' : 'connect', { signal: AbortSignal.timeout(timeoutMs) });
    return socket;
  } catch (cause) {
    socket?.destroy();
    throw new PeerUnreachableError(`no connection to ${host}:${port}`, { cause });
  }
}

export interface Accepted {
  readonly transport: Transport;
  readonly accept: AssociateAc;
}

/**
 * Sends an A-ASSOCIATE-RQ and waits for its answer.
 * @throws {AssociationRejectedError} @throws {AssociationAbortedError} anything else than an acceptance in time
 */
export function associated(socket: Socket, request: Buffer, pduBytesMax: number, timeoutMs: number): Promise<Accepted> {
  const requestor = new Requestor(socket, pduBytesMax);
  return requestor.ask(request, timeoutMs);
}

/** The time between A-ASSOCIATE-RQ and its answer (PS3.8 section 9.2, Sta5). */
class Requestor implements TransportUser {
  readonly working = false;
  readonly #transport: Transport;
  readonly #answer = Promise.withResolvers<Accepted>();
  #settled = false;

  constructor(socket: Socket, pduBytesMax: number) {
    this.#transport = new Transport(socket, this, { pduBytesMax, associateBytesMax });
  }

  /** What follows the answer is for the association. */
  get held(): boolean {
    return this.#settled;
  }

  ask(request: Buffer, timeoutMs: number): Promise<Accepted> {
    this.#transport.expect(timeoutMs, 'dimse.no-answer');
    this.#transport.write(request);
    return this.#answer.promise;
  }

  pdu(type: number, body: Buffer): void {
    const [, first = 0, second = 0, third = 0] = body;
    if (type === PduType.AssociateAc) {
      const accept = decodeAssociateAc(body);
      this.#settled = true;
      this.#transport.expectNothing();
      this.#answer.resolve({ transport: this.#transport, accept });
    } else if (type === PduType.AssociateRj) this.#fail(new AssociationRejectedError(first, second, third));
    else if (type === PduType.Abort)
      this.#fail(new AssociationAbortedError(`the peer aborted the association (source ${second}, reason ${third})`));
    else throw new ProtocolError('unexpected-pdu', `PDU type ${type} out of turn`, AbortReason.UnexpectedPdu);
  }

  value(): void {
    throw new ProtocolError('unexpected-pdu', 'a message before the answer', AbortReason.UnexpectedPdu);
  }

  failed(error: unknown): void {
    const reason = error instanceof ProtocolError ? error.abortReason : AbortReason.NotSpecified;
    this.#abort(`what the peer sent cannot be read: ${errorMessage(error)}`, reason, error);
  }

  late(): void {
    this.#abort('no answer to the association request', AbortReason.NotSpecified);
  }

  closed(error?: Error): void {
    const message = error ? `the connection broke: ${errorMessage(error)}` : 'the peer closed the connection';
    this.#fail(new AssociationAbortedError(message, { cause: error }));
  }

  #abort(message: string, reason: number, cause?: unknown): void {
    if (!this.#settled) this.#transport.write(abortPdu(reason));
    this.#fail(new AssociationAbortedError(message, { cause }));
  }

  #fail(error: Error): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#transport.ignore();
    this.#transport.socket.destroySoon();
    this.#answer.reject(error);
  }
}
