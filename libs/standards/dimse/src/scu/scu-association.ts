import { AssociationAbortedError, ContextRefusedError } from '../errors.js';
import type { AssociationEnd } from '../exchange/association-end.js';
import { type AcceptedContext, AcceptedContexts } from '../exchange/contexts.js';
import { Exchange } from '../exchange/exchange.js';
import type { IncomingRequest } from '../exchange/incoming-request.js';
import { CommandField } from '../messages/command-set.js';
import type { DatasetSource } from '../messages/fragments.js';
import type { Answer, Match, MoveOriginator, NormalizedAnswer, RequestHandler } from '../services/handler.js';
import { type NormalizedCommand, type NormalizedOperation, requestNormalized } from '../services/request-normalized.js';
import {
  type QueryOptions,
  requestFind,
  requestGet,
  requestMove,
  type RetrieveOptions,
  type RetrieveOutcome,
} from '../services/request-query.js';
import { requestEcho, requestStore } from '../services/request-store.js';
import { serve } from '../services/serve.js';
import type { AssociateAc, ExtendedNegotiation, OperationsWindow } from '../upper-layer/associate.js';
import { encodeAssociateRq } from '../upper-layer/associate-codec.js';
import { abortPdu, AbortReason } from '../upper-layer/pdu.js';
import type { Transport } from '../upper-layer/transport.js';
import { associated, connected } from './connect.js';
import { acceptedContexts, associateRequest, contextId } from './request-association.js';
import { type ProposedContext, scuLimits, type ScuOptions, scuTimeouts } from './scu-options.js';

/** A peer that takes less cannot even get a command set in one piece. */
const peerPduBytesMin = 1024;
/** When the peer grants a window without a limit. */
const operationsMax = 64;

/** The response of a C-ECHO or C-STORE. */
export type ScuResponse = Answer;

/** What a C-GET brings goes to `store`, of this call (one at a time) or of the association's handler. */
export type GetOptions = RetrieveOptions & Pick<RequestHandler, 'store'>;

/**
 * An association as requestor. Operations past the granted window wait for their turn; without a window that is one
 * after the other, so none may be begun and waited for inside the iteration of another.
 */
export class ScuAssociation {
  readonly #exchange: Exchange;
  /** Of the C-GET that runs. */
  #store: RequestHandler['store'];

  private constructor(
    transport: Transport,
    private readonly options: ScuOptions,
    private readonly proposed: readonly ProposedContext[],
    private readonly accept: AssociateAc,
  ) {
    const limits = { ...scuLimits, ...options.limits };
    const { responseMs } = { ...scuTimeouts, ...options.timeouts };
    const { onError = () => undefined } = options;
    const { invoked = 1, performed = 1 } = this.operationsWindow;
    const window = (count: number): number => (count === 0 ? operationsMax : Math.min(count, operationsMax));
    const exchange: Exchange = new Exchange(transport, {
      contexts: new AcceptedContexts(acceptedContexts(proposed, accept)),
      peer: options.calledAet,
      peerPduBytesMax: accept.user.pduBytesMax,
      servedMax: window(performed),
      sentMax: window(invoked),
      limits: {
        ...limits,
        commandBytesMax: 16 * 1024,
        responseMs,
        stallMs: responseMs,
        wholeMs: responseMs,
        // Whom we asked may be a tape robot: whoever waits decides how long.
        messageBytesPerSecondMin: 0,
        lingerMs: 0,
      },
      serve: (request) => serve(request, { exchange, handler: this.#handlerFor(request), onError }),
      onError,
    });
    this.#exchange = exchange;
    transport.use(exchange);
    transport.proceed();
  }

  /**
   * Connects and asks for an association with `contexts`, at most 128.
   * @throws {PeerUnreachableError} @throws {AssociationRejectedError} @throws {AssociationAbortedError}
   */
  static async open(options: ScuOptions, contexts: readonly ProposedContext[]): Promise<ScuAssociation> {
    const { associateMs } = { ...scuTimeouts, ...options.timeouts };
    const { pduBytesMax } = { ...scuLimits, ...options.limits };
    const request = encodeAssociateRq(associateRequest(options, contexts, pduBytesMax));
    const socket = await connected(options, associateMs);
    const { transport, accept } = await associated(socket, request, pduBytesMax, associateMs);
    const peerMax = accept.user.pduBytesMax;
    if (peerMax !== 0 && peerMax < peerPduBytesMin) {
      transport.write(abortPdu(AbortReason.NotSpecified));
      transport.ignore();
      socket.destroySoon();
      throw new AssociationAbortedError(`the peer takes PDUs of at most ${peerMax} bytes`);
    }
    return new ScuAssociation(transport, options, contexts, accept);
  }

  /** Contexts the peer accepted. */
  get contexts(): readonly AcceptedContext[] {
    return this.#exchange.contexts.all;
  }

  /** Resolves at the end of the association, whoever ends it. */
  get ended(): Promise<AssociationEnd> {
    return this.#exchange.ended;
  }

  /** Granted by the peer; one and one when it granted none. */
  get operationsWindow(): OperationsWindow {
    const granted = this.options.operationsWindow && this.accept.user.operationsWindow;
    return granted ?? { invoked: 1, performed: 1 };
  }

  /** The peer's answers to SOP Class Extended Negotiations. */
  get extendedNegotiation(): readonly ExtendedNegotiation[] {
    return this.accept.user.extendedNegotiation;
  }

  /** The server response of a positive answer to our user identity; absent when there was none. */
  get userIdentityResponse(): Uint8Array | undefined {
    return this.accept.user.userIdentityResponse;
  }

  /**
   * The accepted context for this pair, or the first one of the abstract syntax.
   * @throws {ContextRefusedError}
   */
  contextFor(abstractSyntaxUid: string, transferSyntaxUid?: string): number {
    const suits = (uids: readonly string[]): boolean =>
      transferSyntaxUid === undefined || uids.includes(transferSyntaxUid);
    const accepted = this.#exchange.contexts
      .of(abstractSyntaxUid)
      .find((context) => suits([context.transferSyntaxUid]));
    if (accepted) return accepted.id;
    const index = this.proposed.findIndex(
      (context) => context.abstractSyntaxUid === abstractSyntaxUid && suits(context.transferSyntaxUids),
    );
    const answer = this.accept.contexts.find(({ id }) => id === contextId(index));
    throw new ContextRefusedError(abstractSyntaxUid, transferSyntaxUid ?? 'any transfer syntax', answer?.result ?? 255);
  }

  /** C-ECHO. @throws {AssociationAbortedError} */
  echo(contextId: number): Promise<ScuResponse> {
    return requestEcho(this.#exchange, contextId);
  }

  /**
   * C-STORE of `dataset`, whose bytes are sent as they are, at the speed the peer takes them.
   * @throws {AssociationAbortedError} the association ended, or `dataset` failed after its first bytes were sent (then
   *   we abort: a message that has begun cannot be taken back)
   * @throws what `dataset` throws before: the association goes on
   */
  store(
    contextId: number,
    sopClassUid: string,
    sopInstanceUid: string,
    dataset: DatasetSource,
    moveOriginator?: MoveOriginator,
  ): Promise<ScuResponse> {
    return requestStore(this.#exchange, { id: contextId }, { sopClassUid, sopInstanceUid, dataset }, moveOriginator);
  }

  /**
   * C-FIND. Matches wait until they are asked for; ending the iteration early cancels. Returns the final answer.
   * @param identifier in the transfer syntax of the context, as the matches' are
   * @throws {DimseStatusError} it failed @throws {AssociationAbortedError}
   */
  find(contextId: number, identifier: Buffer, options: QueryOptions = {}): AsyncGenerator<Match, Answer> {
    return requestFind(this.#exchange, this.#context(contextId), identifier, options);
  }

  /** C-MOVE to an AE the peer knows. Resolves with the final response, also of a failure. @throws {AssociationAbortedError} */
  move(
    contextId: number,
    destination: string,
    identifier: Buffer,
    options: RetrieveOptions = {},
  ): Promise<RetrieveOutcome> {
    return requestMove(this.#exchange, this.#context(contextId), destination, identifier, options);
  }

  /**
   * C-GET; its storage contexts must have been proposed with the role of SCP. Resolves with the final response, also of
   * a failure. @throws {AssociationAbortedError}
   */
  async get(contextId: number, identifier: Buffer, options: GetOptions = {}): Promise<RetrieveOutcome> {
    const { store, ...retrieve } = options;
    this.#store = store;
    try {
      return await requestGet(this.#exchange, this.#context(contextId), identifier, retrieve);
    } finally {
      this.#store = undefined;
    }
  }

  /** N-ACTION. Resolves with the response, whatever its status, as the others do. @throws {AssociationAbortedError} */
  nAction(contextId: number, actionTypeId: number, operation: NormalizedOperation): Promise<NormalizedAnswer> {
    return this.#normalized(contextId, { commandField: CommandField.NActionRq, actionTypeId }, operation);
  }

  nEventReport(contextId: number, eventTypeId: number, event: NormalizedOperation): Promise<NormalizedAnswer> {
    return this.#normalized(contextId, { commandField: CommandField.NEventReportRq, eventTypeId }, event);
  }

  nCreate(contextId: number, operation: NormalizedOperation): Promise<NormalizedAnswer> {
    return this.#normalized(contextId, { commandField: CommandField.NCreateRq }, operation);
  }

  nSet(contextId: number, operation: NormalizedOperation): Promise<NormalizedAnswer> {
    return this.#normalized(contextId, { commandField: CommandField.NSetRq }, operation);
  }

  /** @param attributeIdentifiers tags as numbers; none: all attributes */
  nGet(
    contextId: number,
    attributeIdentifiers: readonly number[],
    operation: NormalizedOperation,
  ): Promise<NormalizedAnswer> {
    const asked = attributeIdentifiers.length > 0 ? { attributeIdentifiers } : {};
    return this.#normalized(contextId, { commandField: CommandField.NGetRq, ...asked }, operation);
  }

  nDelete(contextId: number, operation: NormalizedOperation): Promise<NormalizedAnswer> {
    return this.#normalized(contextId, { commandField: CommandField.NDeleteRq }, operation);
  }

  /** A-RELEASE. @throws {AssociationAbortedError} */
  async release(): Promise<void> {
    const { associateMs } = { ...scuTimeouts, ...this.options.timeouts };
    await this.#exchange.release(associateMs);
  }

  /** A-ABORT; calls that wait fail. */
  abort(): void {
    this.#exchange.abort('dimse.aborted-by-us', 'aborted by us');
  }

  #handlerFor({ command }: IncomingRequest): RequestHandler {
    const isStore = command.commandField === CommandField.CStoreRq;
    return isStore && this.#store ? { store: this.#store } : (this.options.handler ?? {});
  }

  #normalized(
    contextId: number,
    command: NormalizedCommand,
    operation: NormalizedOperation,
  ): Promise<NormalizedAnswer> {
    return requestNormalized(this.#exchange, this.#context(contextId), command, operation);
  }

  #context(id: number): AcceptedContext {
    const context = this.#exchange.contexts.byId(id);
    if (!context) throw new RangeError(`presentation context ${id} was not accepted`);
    return context;
  }
}
