import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';

import { implementationClassUid, implementationVersionName } from '@callosum/dicom';
import { errorCode } from '@callosum/kernel';

import { ContextRefusedError, ProtocolError } from '../errors.js';
import type { AssociationEnd } from '../exchange/association-end.js';
import { AcceptedContexts } from '../exchange/contexts.js';
import { Exchange } from '../exchange/exchange.js';
import { CommandField, operationName } from '../messages/command-set.js';
import { requestNormalized } from '../services/request-normalized.js';
import type { AssociationHandler } from '../services/handler.js';
import { serve } from '../services/serve.js';
import { type AssociateRq, dicomApplicationContextUid } from '../upper-layer/associate.js';
import { decodeAssociateRq, encodeAssociateAc } from '../upper-layer/associate-codec.js';
import { abortPdu, AbortReason, PduType, rejectPdu } from '../upper-layer/pdu.js';
import { Transport, type TransportUser } from '../upper-layer/transport.js';
import { negotiate, storagePolicy } from './acceptance.js';
import { type AssociationInfo, associationInfo } from './association-info.js';
import type { ScpLimits } from './limits.js';
import {
  type AcceptedAssociation,
  applicationContextNotSupported,
  type AssociationAcceptance,
  type AssociationRejection,
  localLimitExceeded,
  protocolVersionNotSupported,
  rejectedWithoutReason,
  type ScpServerOptions,
} from './scp-options.js';

/** A peer that takes less could not get a command set in reasonable pieces. */
const peerPduBytesMin = 128;

/** One TCP connection: an association request, its answer, and then an Exchange. */
export class ScpConnection implements TransportUser {
  readonly #transport: Transport;
  readonly #remoteAddress: string;
  readonly #over = Promise.withResolvers<void>();
  #info: AssociationInfo | undefined;
  /** What is decided about the request; the connection is held meanwhile. */
  #deciding: Promise<void> | undefined;
  /** Aborts when the connection ends before there is an association. */
  readonly #gone = new AbortController();
  #handler: AssociationHandler | undefined;
  #exchange: Exchange | undefined;
  #end: AssociationEnd | undefined;
  #rejected = false;

  constructor(
    private readonly socket: Socket,
    private readonly options: ScpServerOptions,
    private readonly limits: ScpLimits,
    /** False when one more association would be too many. */
    private readonly admit: () => boolean,
  ) {
    this.#remoteAddress = socket.remoteAddress ?? '';
    this.#transport = new Transport(socket, this, limits);
    this.#transport.expect(limits.artimMs, 'dimse.no-association');
  }

  /** Resolves when the connection is closed and its handler has ended. */
  async run(): Promise<void> {
    await this.#over.promise;
    await this.#deciding;
    const exchange = this.#exchange;
    if (exchange) {
      this.#end = await exchange.ended;
      await exchange.settled();
    }
    try {
      const end: AssociationEnd = this.#end ?? { how: 'lost' };
      if (this.#handler) await this.#handler.ended(end);
      else if (!this.#rejected && end.how !== 'released')
        this.options.onBadConnection?.(this.#remoteAddress, end.how === 'aborted' ? end.code : 'dimse.connection-lost');
    } catch (error) {
      this.options.onError(error);
    }
    if (!this.socket.destroyed) await new Promise((resolve) => this.socket.once('close', resolve));
  }

  /** True from an A-ASSOCIATE-RQ until the end of its association. */
  get associated(): boolean {
    return this.#info !== undefined && !this.#end && !this.#rejected;
  }

  get held(): boolean {
    return this.#deciding !== undefined;
  }

  get deciding(): boolean {
    return this.held;
  }

  get working(): boolean {
    return false;
  }

  /** Called when the server stops: who has not asked for an association gets none. */
  drain(): void {
    if (!this.#info) this.socket.destroy();
  }

  /** Without an association it gives way to others. */
  turnAway(): void {
    this.#abort('dimse.no-association');
    this.socket.destroy();
  }

  /** A-ABORT now, whatever is going on. */
  shutDown(): void {
    if (this.#exchange) this.#exchange.abort('dimse.shutting-down', 'the provider stops');
    else this.#abort('dimse.shutting-down');
    this.socket.destroySoon();
  }

  pdu(type: number, body: Buffer): void {
    if (type === PduType.Abort) return this.#finish({ how: 'aborted', by: 'peer', code: 'dimse.aborted-by-peer' });
    if (type !== PduType.AssociateRq || this.#info) throw unexpected(type);
    // Before anything else of it is looked at: another version may be of another form.
    if (body.length >= 2 && (body.readUInt16BE(0) & 1) === 0) return this.#reject(protocolVersionNotSupported);
    const request = decodeAssociateRq(body, this.limits.userInformationBytesMax);
    if (request.applicationContextUid !== dicomApplicationContextUid)
      return this.#reject(applicationContextNotSupported);
    const info = associationInfo(randomUUID(), this.socket, request);
    this.#info = info;
    this.#deciding = this.#decide(request, info).catch((error: unknown) => {
      // Nobody is there any more to be decided about.
      if (this.#gone.signal.aborted && error === this.#gone.signal.reason) return;
      this.options.onError(error);
      this.#abort(errorCode(error));
    });
  }

  value(): void {
    throw unexpected(PduType.PData);
  }

  failed(error: unknown): void {
    if (error instanceof ProtocolError) return this.#abort(error.code, error.abortReason);
    this.options.onError(error);
    this.#abort(errorCode(error));
  }

  late(code: string): void {
    this.#abort(code);
    this.socket.destroySoon();
  }

  closed(): void {
    this.#finish({ how: 'lost' });
  }

  async #decide(request: AssociateRq, info: AssociationInfo): Promise<void> {
    const { pduBytesMax } = request.user;
    if (pduBytesMax !== 0 && pduBytesMax < peerPduBytesMin) return this.#refuse(info, rejectedWithoutReason);
    if (!this.admit()) return this.#refuse(info, localLimitExceeded);
    const decision = await this.options.onAssociation(info, this.#gone.signal);
    if ('reason' in decision) return this.#reject(decision);
    this.#handler = decision.handler;
    if (!this.#end) this.#accept(request, decision);
  }

  #accept(request: AssociateRq, { handler, policy = storagePolicy(), accepted }: AssociationAcceptance): void {
    const { limits } = this;
    const negotiated = negotiate(request, policy);
    const contexts = new AcceptedContexts(negotiated.contexts);
    const { onError } = this.options;
    const exchange: Exchange = new Exchange(this.#transport, {
      contexts,
      peer: request.callingAet,
      peerPduBytesMax: request.user.pduBytesMax,
      servedMax: negotiated.servedMax,
      sentMax: negotiated.sentMax,
      limits: {
        ...limits,
        responseMs: limits.responseTimeoutMs,
        stallMs: limits.idleTimeoutMs,
        wholeMs: limits.messageTimeoutMs,
        lingerMs: limits.artimMs,
      },
      serve: (incoming) => serve(incoming, { exchange, handler, onError }),
      onRefused: ({ command: { commandField, affectedSopInstanceUid: sopInstanceUid } }, status) =>
        handler.refused?.({ operation: operationName(commandField), sopInstanceUid, status }),
      onError,
    });
    const { calledAet, callingAet } = request;
    // Before anything is held for the association: an answer that cannot be written leaves none behind.
    const answer = encodeAssociateAc({
      protocolVersion: 1,
      calledAet,
      callingAet,
      applicationContextUid: dicomApplicationContextUid,
      contexts: negotiated.answers,
      user: {
        pduBytesMax: limits.pduBytesMax,
        implementationClassUid,
        implementationVersionName,
        commonExtendedNegotiation: [],
        ...negotiated.user,
      },
    });
    this.#exchange = exchange;
    this.#transport.write(answer);
    accepted?.(acceptedAssociation(exchange));
    this.#transport.use(exchange);
    this.#transport.expect(limits.idleTimeoutMs, 'dimse.idle');
    this.#over.resolve();
    this.#transport.proceed();
  }

  #refuse(info: AssociationInfo, rejection: AssociationRejection): void {
    this.options.onRejected?.(info, rejection);
    this.#reject(rejection);
  }

  /** What ends here never was an association: no handler is told. */
  #reject(rejection: AssociationRejection): void {
    if (this.#end || this.#rejected) return;
    this.#rejected = true;
    this.#transport.write(rejectPdu(rejection));
    // PS3.8 9.2.3 (AE-8, Sta13): the requestor closes. Closing first, some peers see the end before the reason.
    this.#finish({ how: 'released' }, true);
  }

  #abort(code: string, reason: number = AbortReason.NotSpecified): void {
    if (this.#end) return;
    this.#transport.write(abortPdu(reason));
    this.#finish({ how: 'aborted', by: 'us', code });
  }

  /** The end of a connection that has no association, or is about to have one. */
  #finish(end: AssociationEnd, peerCloses = false): void {
    if (this.#end) return;
    this.#end = end;
    this.#gone.abort();
    this.#transport.ignore();
    if (!peerCloses) this.socket.end();
    if (!this.socket.destroyed) {
      const timer = setTimeout(() => this.socket.destroy(), this.limits.artimMs);
      this.socket.once('close', () => clearTimeout(timer));
    }
    this.#over.resolve();
  }
}

function acceptedAssociation(exchange: Exchange): AcceptedAssociation {
  return {
    contexts: exchange.contexts.all,
    ended: exchange.ended,
    nEventReport: async (abstractSyntaxUid, eventTypeId, event) => {
      const [context] = exchange.contexts.of(abstractSyntaxUid);
      if (!context) throw new ContextRefusedError(abstractSyntaxUid, 'any transfer syntax', 255);
      return requestNormalized(exchange, context, { commandField: CommandField.NEventReportRq, eventTypeId }, event);
    },
    abort: (code) => exchange.abort(code, 'aborted by its handler'),
  };
}

const unexpected = (type: number): ProtocolError =>
  new ProtocolError('unexpected-pdu', `PDU type ${type} out of turn`, AbortReason.UnexpectedPdu);
