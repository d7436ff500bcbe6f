import { errorCode, errorMessage } from '@callosum/kernel';

import { ProtocolError } from '../errors.js';
import { CommandField, type CommandSet, isKnownRequest, isResponse } from '../messages/command-set.js';
import { type Fragment, fragmentBytesFor } from '../messages/fragments.js';
import { type DatasetSink, MessageReceiver } from '../messages/message-receiver.js';
import { MessageWriter } from '../messages/message-writer.js';
import { closeSocket } from '../upper-layer/close-socket.js';
import { abortPdu, AbortReason, PduType, releaseRpPdu, releaseRqPdu } from '../upper-layer/pdu.js';
import type { Transport, TransportUser } from '../upper-layer/transport.js';
import { CollectedDataset, discarding, malformed, tooLongResponse } from './arrivals.js';
import { type AssociationEnd, endedError } from './association-end.js';
import type { AcceptedContexts } from './contexts.js';
import type { ExchangeOptions } from './exchange-options.js';
import { type IncomingRequest, responseOf } from './incoming-request.js';
import { awaitWhole, LeastRate } from './least-rate.js';
import { type SentRequest, SentRequests } from './sent-requests.js';
import { ServedRequests } from './served-requests.js';

/**
 * Message exchange (PS3.7) over one established association, the same for requestor and acceptor: requests of the peer
 * are served, ours are answered, both at the same time, until it is released, aborted or lost.
 */
export class Exchange implements TransportUser {
  readonly contexts: AcceptedContexts;
  /** Resolves at the end of the association; what was being served may still settle. */
  readonly ended: Promise<AssociationEnd>;
  readonly #writer: MessageWriter;
  readonly #receiver: MessageReceiver;
  readonly #served: ServedRequests;
  readonly #sent: SentRequests;
  readonly #rate: LeastRate;
  readonly #tellEnd: (end: AssociationEnd) => void;
  #end: AssociationEnd | undefined;
  #failure: Error | undefined;
  #bufferedBytes = 0;
  /** Grows with each response, and with the datasets in whose middle no response can come. */
  #heard = 0;
  #releasing = false;
  #peerReleases = false;

  constructor(
    private readonly transport: Transport,
    private readonly options: ExchangeOptions,
  ) {
    const { limits, peerPduBytesMax } = options;
    this.contexts = options.contexts;
    const { promise, resolve } = Promise.withResolvers<AssociationEnd>();
    this.ended = promise;
    this.#tellEnd = resolve;
    this.#writer = new MessageWriter(transport, fragmentBytesFor(peerPduBytesMax, limits.pduBytesMax), limits.stallMs);
    this.#receiver = new MessageReceiver(limits, (contextId, command) => this.#received(contextId, command));
    const incoming = {
      inMessage: () => this.#receiver.inMessage,
      held: () => this.held,
      late: () => this.late('dimse.message-late'),
    };
    this.#served = new ServedRequests({
      window: options.servedMax,
      identifierBytesMax: limits.identifierBytesMax,
      peer: options.peer,
      awaitWhole: () => awaitWhole(incoming, limits.wholeMs),
      peerIsSlow: () => transport.socket.writableNeedDrain,
      hold: (bytes) => {
        if (bytes >= 0) this.#heard++;
        this.#hold(bytes);
      },
      serve: (request) => this.#guarded(options.serve(request)),
      refuse: (request, status) => {
        options.onRefused?.(request, status);
        void this.#guarded(this.respond(request, { status }));
      },
      closed: () => this.#proceed(),
    });
    this.#sent = new SentRequests(options.sentMax);
    this.#rate = new LeastRate(incoming, {
      bytesPerSecondMin: limits.messageBytesPerSecondMin,
      everyMs: limits.stallMs,
    });
    transport.socket.on('drain', () => this.#proceed());
  }

  /** Bytes a dataset's source should give at once. */
  get fragmentBytes(): number {
    return this.#writer.fragmentBytes;
  }

  /** The peer's silence after a request of ours, in milliseconds, where a request does not say another one. */
  get responseMs(): number {
    return this.options.limits.responseMs;
  }

  get held(): boolean {
    return this.#full || this.#served.parked || this.#peerReleases;
  }

  /** Also while a C-GET waits for the peer: the time of its sub-operations is another one, of `request`. */
  get working(): boolean {
    return this.#served.count > 0 && !this.#receiver.inMessage;
  }

  pdu(type: number, body: Buffer): void {
    if (type === PduType.Abort)
      this.#over({ how: 'aborted', by: 'peer', code: 'dimse.aborted-by-peer' }, `source ${body[2]}, reason ${body[3]}`);
    else if (type === PduType.ReleaseRq) this.#peerReleased();
    else if (type === PduType.ReleaseRp && this.#releasing) this.#over({ how: 'released' });
    else throw new ProtocolError('unexpected-pdu', `PDU type ${type} out of turn`, AbortReason.UnexpectedPdu);
  }

  value(contextId: number, control: number, bytes: Buffer, end: boolean): void {
    if (!this.contexts.byId(contextId)) {
      const message = `a message on presentation context ${contextId}, which was not accepted`;
      throw new ProtocolError('unknown-context', message, AbortReason.InvalidParameterValue);
    }
    this.#receiver.value(contextId, control, bytes, end);
    this.#rate.came(bytes.length);
  }

  failed(error: unknown): void {
    if (error instanceof ProtocolError) {
      const message = `what the peer sent cannot be read: ${error.message}`;
      return this.abort(error.code, message, error.abortReason, error);
    }
    this.options.onError(error);
    this.abort(errorCode(error), 'a defect');
  }

  late(code: string): void {
    this.abort(code, code === 'dimse.stalled' ? 'the peer takes no more bytes' : `the peer is late: ${code}`);
    this.transport.socket.destroySoon();
  }

  closed(error?: Error): void {
    this.#over({ how: 'lost' }, error && errorMessage(error), error);
  }

  /** A-ABORT now, whatever is going on; calls that wait fail. */
  abort(code: string, message: string, reason: number = AbortReason.NotSpecified, cause?: unknown): void {
    if (this.#end) return;
    this.transport.write(abortPdu(reason));
    this.#over({ how: 'aborted', by: 'us', code }, message, cause);
  }

  /** A-RELEASE, after the last response. @throws {AssociationAbortedError} the peer does not answer it */
  async release(ms: number): Promise<void> {
    // Whatever of the peer's is being served is answered first: after A-RELEASE-RQ no response may follow.
    await this.#served.settled();
    if (this.#failure) throw this.#failure;
    this.#releasing = true;
    this.transport.write(releaseRqPdu());
    const timer = setTimeout(() => this.abort('dimse.no-response', 'no answer to the release request'), ms);
    const end = await this.ended;
    clearTimeout(timer);
    if (end.how !== 'released') throw this.#failure ?? endedError(end);
  }

  /** Resolves when nothing is served any more. */
  settled(): Promise<void> {
    return this.#served.settled();
  }

  /**
   * Sends a request once the window has a place for it, and its dataset with it.
   * @throws {AssociationAbortedError} the association ended, or a piece of `dataset` could not be had: then we abort,
   *   for a message that has begun cannot be taken back
   */
  async request(
    contextId: number,
    command: CommandSet,
    dataset?: Buffer | AsyncIterable<Fragment>,
    responseMs = this.responseMs,
  ): Promise<SentRequest> {
    let seen = -1;
    const silent = (): void => {
      // Not silent: it answers something, or waits for us. A C-GET is not our work: it may be what waits for this response.
      const ours = this.#full || (this.#served.working && !this.#receiver.inMessage);
      const busy = this.#heard !== seen || ours;
      seen = this.#heard;
      if (busy) request.expectResponse();
      else this.abort('dimse.no-response', 'no response in time');
    };
    const held = (bytes: number): void => this.#hold(bytes);
    const request = await this.#sent.open(command.commandField, { responseMs, silent, held });
    const sent = this.#writer.send(contextId, { ...command, messageId: request.messageId }, dataset);
    try {
      await Promise.race([sent, request.failed]);
    } catch (error) {
      sent.catch(() => undefined);
      this.abort('dimse.dataset-failed', `the dataset could not be sent: ${errorMessage(error)}`, undefined, error);
    }
    if (this.#failure) throw this.#failure;
    seen = this.#heard;
    request.expectResponse();
    return request;
  }

  /** C-CANCEL of one of our requests (PS3.7 section 9.3.2.3). */
  async cancel(contextId: number, { messageId, answered }: SentRequest): Promise<void> {
    if (answered || this.#end) return;
    const command = { commandField: CommandField.CCancelRq, hasDataset: false, messageIdBeingRespondedTo: messageId };
    await this.#writer.send(contextId, command);
  }

  /** Sends a response; `answer` is what it says beside what every response of its service says. */
  async respond(request: IncomingRequest, answer: Partial<CommandSet>, dataset?: Buffer): Promise<void> {
    if (this.#end) return;
    await this.#writer.send(request.context.id, responseOf(request, answer, dataset !== undefined), dataset);
  }

  #received(contextId: number, command: CommandSet): DatasetSink | undefined {
    const context = this.contexts.byId(contextId);
    if (isResponse(command)) return this.#response(command);
    if (command.commandField === CommandField.CCancelRq) {
      this.#served.cancel(command.messageIdBeingRespondedTo ?? -1);
      return command.hasDataset ? discarding(() => undefined) : undefined;
    }
    if (!isKnownRequest(command)) throw malformed(`command field ${command.commandField} does not exist`);
    if (command.messageId === undefined || !context) throw malformed('a request has no message id');
    return this.#served.receive(context, command, command.messageId);
  }

  #response(command: CommandSet): DatasetSink | undefined {
    this.#heard++;
    const request = this.#sent.forResponse(command);
    const { status } = command;
    if (status === undefined) throw malformed('a response has no status');
    const take = (dataset?: Buffer): void => {
      if (request.take({ command, status, ...(dataset ? { dataset } : {}) })) this.#sent.close(request);
    };
    if (!command.hasDataset) {
      take();
      return undefined;
    }
    const { identifierBytesMax } = this.options.limits;
    const collected = new CollectedDataset(identifierBytesMax, () => {
      if (collected.tooLong) throw tooLongResponse(identifierBytesMax);
      take(collected.take());
    });
    return collected;
  }

  /** What `serving` throws ends the association. */
  async #guarded(serving: Promise<void>): Promise<void> {
    try {
      await serving;
    } catch (error) {
      this.failed(error);
    }
  }

  #peerReleased(): void {
    if (this.#receiver.inMessage)
      throw new ProtocolError('release-inside-store', 'a release inside a message', AbortReason.UnexpectedPdu);
    if (this.#releasing) {
      // Both at once (PS3.8 section 7.2.2): each is answered.
      this.transport.write(releaseRpPdu());
      return;
    }
    this.#peerReleases = true;
    this.#served.stop(new Error('the peer releases the association'));
    this.#proceed();
  }

  /** As much is held of what the peer sent as may be, for readers of ours that are slower. */
  get #full(): boolean {
    return this.#bufferedBytes >= this.options.limits.bufferedBytesMax;
  }

  #hold(bytes: number): void {
    this.#bufferedBytes += bytes;
    if (bytes < 0) this.#proceed();
  }

  #proceed(): void {
    if (this.#end) return;
    this.#served.proceed();
    if (this.#peerReleases && this.#served.count === 0) {
      this.transport.write(releaseRpPdu());
      this.#over({ how: 'released' });
    } else this.transport.proceed();
  }

  #over(end: AssociationEnd, detail?: string, cause?: unknown): void {
    if (this.#end) return;
    this.#end = end;
    const failure = endedError(end, detail, cause);
    this.#failure = failure;
    this.transport.ignore();
    this.#rate.stop();
    this.#sent.fail(failure);
    this.#served.fail(failure);
    closeSocket(this.transport.socket, this.options.limits.lingerMs);
    this.#tellEnd(end);
  }
}
