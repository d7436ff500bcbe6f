import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { PassThrough, type Writable } from 'node:stream';

import { errorCode } from '@callosum/kernel';

import { acceptContexts } from './accept-contexts.js';
import { readAssociateRq } from './associate-rq.js';
import { AssociationAbortedError, ProtocolError } from './errors.js';
import { type LibraryAssociation, type LibraryPresentationContext, type LibraryStoreRequest } from './library.js';
import { LibrarySocket } from './library-socket.js';
import { ContextResult, isStorageSopClass } from './negotiation.js';
import { abortPdu, AbortReason, assertExpected, PduType, readPdus, splitPdvs, type Pdv } from './pdu.js';
import {
  type AssociationEnd,
  type AssociationHandler,
  type AssociationInfo,
  type AssociationRejection,
  localLimitExceeded,
  type ScpLimits,
  type ScpServerOptions,
  type StoreAnswer,
} from './scp.js';
import { type LibraryEvents, LibraryScp } from './scp-library.js';
import { StoreStatus } from './status.js';
import { alwaysReady, drained } from './streams.js';

interface RunningStore {
  readonly dataset: PassThrough;
  readonly answer: Promise<StoreAnswer>;
}

/** One TCP connection: frames in, limits, timers and back-pressure here; contents of PDUs by the library. */
export class ScpConnection implements LibraryEvents {
  readonly #library: LibraryScp;
  readonly #channel: LibrarySocket;
  #established = false;
  #info: AssociationInfo | undefined;
  #handler: AssociationHandler | undefined;
  #store: RunningStore | undefined;
  /** What must be done before the next PDU is looked at. */
  #work: Promise<unknown> | undefined;
  #end: AssociationEnd | undefined;
  #timer: NodeJS.Timeout | undefined;
  #messageBytes = 0;
  readonly #remoteAddress: string;

  constructor(
    private readonly socket: Socket,
    private readonly options: ScpServerOptions,
    private readonly limits: ScpLimits,
    /** False when one more association would be too many. */
    private readonly admit: () => boolean,
  ) {
    this.#remoteAddress = socket.remoteAddress ?? '';
    this.#channel = new LibrarySocket((pdu) => {
      if (socket.writable) socket.write(pdu);
    });
    this.#library = new LibraryScp(this.#channel, this);
  }

  /** Resolves when the connection is closed and its handler has ended. */
  async run(): Promise<void> {
    const { socket, limits } = this;
    // Responses are small: with Nagle's algorithm each would wait for the peer's delayed acknowledgement.
    socket.setNoDelay(true);
    socket.on('error', () => undefined); // the reader below sees it too
    this.#expectPduWithin(limits.artimMs, 'no-association');
    try {
      const chunks = socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
      for await (const pdu of readPdus(chunks, limits.pduBytesMax)) {
        await this.#take(pdu);
        if (this.#end) break;
      }
    } catch (error) {
      if (error instanceof ProtocolError) this.abort(error.code, error.abortReason);
    }
    await this.#close();
  }

  /** True from an A-ASSOCIATE-RQ until the end of its association. */
  get associated(): boolean {
    return this.#info !== undefined && !this.#end;
  }

  /** Called when the server stops: who has not asked for an association gets none. */
  drain(): void {
    if (!this.#info) this.socket.destroy();
  }

  /** A-ABORT now, whatever is going on. */
  shutDown(): void {
    this.abort('dimse.shutting-down');
    this.socket.destroySoon();
  }

  /** Sends A-ABORT and ends; what is being stored fails. */
  abort(code: string, reason: number = AbortReason.NotSpecified): void {
    if (this.#end) return;
    if (this.socket.writable) this.socket.write(abortPdu(reason));
    this.#over({ how: 'aborted', by: 'us', code });
  }

  async #take(pdu: Buffer): Promise<void> {
    clearTimeout(this.#timer);
    const type = pdu.readUInt8(0);
    assertExpected(type, this.#established);
    if (type === PduType.AssociateRq) {
      const request = readAssociateRq(pdu);
      if (request.rejection) this.#reject(request.rejection);
      else await this.#deliver(request.pdu);
    } else if (type !== PduType.PData) await this.#deliver(pdu);
    else {
      for (const pdv of splitPdvs(pdu)) {
        if (this.#end) return;
        this.#count(pdv);
        await this.#deliver(pdv.pdu);
        if (!pdv.command && !pdv.last && !this.#store && !this.#end) {
          throw new ProtocolError(
            'unexpected-dataset',
            'a dataset that no C-STORE announced',
            AbortReason.UnexpectedPdu,
          );
        }
      }
    }
    if (!this.#end) this.#expectPduWithin(this.limits.idleTimeoutMs, 'idle');
  }

  async #deliver(pdu: Buffer): Promise<void> {
    this.#channel.deliver(pdu);
    const work = this.#work;
    this.#work = undefined;
    await work;
    if (this.#store?.dataset.writableNeedDrain) await drained(this.#store.dataset);
    if (this.socket.writableNeedDrain) {
      this.#expectPduWithin(this.limits.idleTimeoutMs, 'idle');
      await drained(this.socket);
      clearTimeout(this.#timer);
    }
  }

  /** The library gathers command sets, and datasets that are not of a C-STORE, in memory without end. */
  #count(pdv: Pdv): void {
    if (pdv.command && this.#store) {
      throw new ProtocolError('command-inside-dataset', 'a command inside a dataset', AbortReason.UnexpectedPdu);
    }
    this.#messageBytes += pdv.valueBytes;
    const max = pdv.command ? this.limits.commandBytesMax : this.limits.objectBytesMax;
    if (this.#messageBytes > max) {
      throw new ProtocolError('message-too-long', `a message is longer than ${max} bytes`, AbortReason.NotSpecified);
    }
    if (pdv.last) this.#messageBytes = 0;
  }

  associationRequested(association: LibraryAssociation): void {
    this.#info = {
      id: randomUUID(),
      callingAet: association.getCallingAeTitle(),
      calledAet: association.getCalledAeTitle(),
      remoteAddress: this.#remoteAddress,
      implementationVersion: association.getImplementationVersion(),
    };
    this.#work = this.#answerAssociation(association, this.#info).catch((error: unknown) => {
      this.options.onError(error);
      this.abort(errorCode(error));
    });
  }

  async #answerAssociation(association: LibraryAssociation, info: AssociationInfo): Promise<void> {
    if (!this.admit()) {
      this.options.onRejected?.(info, localLimitExceeded);
      return this.#reject(localLimitExceeded);
    }
    const answer = await this.options.onAssociation(info);
    if ('reason' in answer) return this.#reject(answer);
    this.#handler = answer;
    this.#established = true;
    if (this.#end) return;
    acceptContexts(association);
    const peerPduBytesMax = association.getMaxPduLength();
    association.setMaxPduLength(this.limits.pduBytesMax);
    this.#library.sendAssociationAccept();
    association.setMaxPduLength(peerPduBytesMax);
  }

  /** What ends here never was an association: no handler is told. */
  #reject({ result, source, reason }: AssociationRejection): void {
    this.#library.sendAssociationReject(result, source, reason);
    // PS3.8 9.2.3 (AE-8, Sta13): the requestor closes. Closing first, some peers see the end before the reason.
    this.#over({ how: 'released' }, true);
  }

  storeBegun(request: LibraryStoreRequest, context: LibraryPresentationContext): Writable {
    const dataset = new PassThrough({ highWaterMark: this.limits.bufferedBytesMax });
    dataset.on('error', () => undefined); // told to whoever reads; nobody may be reading
    const answer = this.#answerStore(request, context, dataset).finally(() => dataset.resume());
    this.#store = { dataset, answer };
    return alwaysReady(
      (bytes) => {
        if (dataset.writable) dataset.write(bytes);
      },
      () => dataset.end(),
    );
  }

  async #answerStore(
    request: LibraryStoreRequest,
    context: LibraryPresentationContext,
    dataset: PassThrough,
  ): Promise<StoreAnswer> {
    const sopClassUid: string | undefined = request.getAffectedSopClassUid();
    const sopInstanceUid: string | undefined = request.getAffectedSopInstanceUid();
    const transferSyntaxUid = context.getAcceptedTransferSyntaxUid();
    // The library lets a message pass on a context that was refused.
    const accepted =
      context.getResult() === ContextResult.Acceptance && isStorageSopClass(context.getAbstractSyntaxUid());
    if (!accepted || !transferSyntaxUid || sopClassUid !== context.getAbstractSyntaxUid()) {
      return { status: StoreStatus.SopClassNotSupported };
    }
    if (!sopInstanceUid) return { status: StoreStatus.InvalidSopInstance };
    try {
      const answer = await this.#handler?.store({ sopClassUid, sopInstanceUid, transferSyntaxUid, dataset });
      return answer ?? { status: StoreStatus.ProcessingFailure };
    } catch (error) {
      if (!this.#end) this.options.onError(error);
      return { status: StoreStatus.ProcessingFailure };
    }
  }

  storeReceived(): Promise<StoreAnswer> {
    const answer = this.#store?.answer ?? Promise.resolve({ status: StoreStatus.ProcessingFailure });
    // One turn more, so that the response is written before the next PDU is looked at.
    this.#work = answer.then(() => new Promise((resolve) => setImmediate(resolve)));
    return answer.finally(() => (this.#store = undefined));
  }

  echoed(): void {
    this.#handler?.echoed?.();
  }

  releaseRequested(): void {
    if (this.#store) return this.abort('dimse.release-inside-store', AbortReason.UnexpectedPdu);
    this.#library.sendAssociationReleaseResponse();
    this.#over({ how: 'released' });
  }

  aborted(): void {
    this.#over({ how: 'aborted', by: 'peer', code: 'dimse.aborted-by-peer' });
  }

  failed(): void {
    this.abort('dimse.malformed-message', AbortReason.InvalidParameterValue);
  }

  #over(end: AssociationEnd, peerCloses = false): void {
    if (this.#end) return;
    this.#end = end;
    clearTimeout(this.#timer);
    if (end.how !== 'released')
      this.#store?.dataset.destroy(new AssociationAbortedError('the association ended inside a C-STORE'));
    // Our last PDU, then the end of our half; the peer's rest is thrown away until it closes, or we do.
    if (!peerCloses) this.socket.end();
    this.#timer = setTimeout(() => this.socket.destroy(), this.limits.artimMs);
  }

  async #close(): Promise<void> {
    if (!this.#end) this.#over({ how: 'lost' });
    const end = this.#end ?? { how: 'lost' };
    this.socket.resume();
    await this.#store?.answer;
    try {
      if (this.#handler) await this.#handler.ended(end);
      else if (end.how === 'aborted') this.options.onBadConnection?.(this.#remoteAddress, end.code);
      else if (end.how === 'lost') this.options.onBadConnection?.(this.#remoteAddress, 'dimse.connection-lost');
    } catch (error) {
      this.options.onError(error);
    }
    if (!this.socket.destroyed) await new Promise((resolve) => this.socket.once('close', resolve));
    clearTimeout(this.#timer);
    this.#channel.closed();
  }

  #expectPduWithin(ms: number, code: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.abort(`dimse.${code}`);
      // The reader waits for bytes that do not come.
      this.socket.destroySoon();
    }, ms);
  }
}
