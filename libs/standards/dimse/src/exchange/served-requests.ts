import { requestAnswers } from '../answers.js';
import { CommandField, type CommandSet } from '../messages/command-set.js';
import type { DatasetStream } from '../messages/dataset-stream.js';
import type { DatasetSink } from '../messages/message-receiver.js';
import { type Arrival, discarding, storeArrival, wholeArrival } from './arrivals.js';
import type { AcceptedContext } from './contexts.js';
import { canceled, type IncomingRequest } from './incoming-request.js';

interface Served {
  readonly controller: AbortController;
  readonly stream: DatasetStream | undefined;
  /** A C-GET: it waits for the peer's responses to its C-STOREs. */
  readonly isGet: boolean;
  readonly release: () => void;
}

export interface ServingOptions {
  /** Requests that are served at the same time. */
  readonly window: number;
  readonly identifierBytesMax: number;
  /** AE title of the peer, which has a part of the room for datasets that are kept whole. */
  readonly peer: string;
  /** A dataset that is kept whole comes: its sender may not take as long as it likes. @returns no more waiting for it */
  readonly awaitWhole: () => () => void;
  /** True while the peer does not read our answers: nothing is begun that needs one. */
  readonly peerIsSlow: () => boolean;
  /** Bytes of a dataset came, and so many of them nobody has read yet; or (negative) fewer are held. */
  readonly hold: (bytes: number) => void;
  /** Serves a request to its last response; never rejects. */
  readonly serve: (request: IncomingRequest) => Promise<void>;
  /** Answers a request that is not served. */
  readonly refuse: (request: IncomingRequest, status: number) => void;
  /** A request was answered: there is a place in the window. */
  readonly closed: () => void;
}

/**
 * Requests of the peer's that are not answered yet. One that comes when the window is full, or from a peer that does
 * not read, is parked: nothing after it is looked at. During a C-GET a full window refuses instead: the responses to its
 * sub-operations, and a C-CANCEL, would stand behind what is parked.
 */
export class ServedRequests {
  readonly #byMessageId = new Map<number, Served>();
  readonly #settled: (() => void)[] = [];
  #parked: { readonly blocked: () => boolean; readonly start: () => void } | undefined;
  /** Tells the request whose dataset is on its way that no more will come. */
  #cutOff: (() => void) | undefined;

  constructor(private readonly options: ServingOptions) {}

  get count(): number {
    return this.#byMessageId.size;
  }

  /** True while a request is served that waits for nothing of the peer's. */
  get working(): boolean {
    return [...this.#byMessageId.values()].some(({ isGet }) => !isGet);
  }

  get parked(): boolean {
    return this.#parked !== undefined;
  }

  /** A request's command came. @returns where its dataset goes, when it has one */
  receive(context: AcceptedContext, command: CommandSet, messageId: number): DatasetSink | undefined {
    const { peerIsSlow } = this.options;
    const status = this.#refusal(messageId);
    if (status !== undefined) {
      const signal = AbortSignal.abort();
      const request = { context, command, messageId, signal, received: Promise.resolve(), tooLong: false };
      const refuse = (): void => this.options.refuse(request, status);
      this.#start(peerIsSlow, command.hasDataset ? () => undefined : refuse);
      return command.hasDataset ? discarding(refuse) : undefined;
    }
    const { sink, start } = this.#arrival(context, command, messageId);
    this.#start(() => this.#full || peerIsSlow(), start);
    return command.hasDataset ? sink : undefined;
  }

  /** Begins what was parked, when it may. */
  proceed(): void {
    const parked = this.#parked;
    if (!parked || parked.blocked()) return;
    this.#parked = undefined;
    parked.start();
  }

  /** C-CANCEL; nothing when the request was answered meanwhile (PS3.7 section 9.3.2.3). */
  cancel(messageId: number): void {
    this.#byMessageId.get(messageId)?.controller.abort(canceled);
  }

  /** The peer wants no more: whoever goes on for long may stop. */
  stop(reason: Error): void {
    for (const { controller } of this.#byMessageId.values()) controller.abort(reason);
  }

  /** The association ended: signals and streams say so; handlers settle in their own time. */
  fail(error: Error): void {
    this.#parked = undefined;
    for (const { controller, stream } of this.#byMessageId.values()) {
      controller.abort(error);
      stream?.destroy(error);
    }
    this.#cutOff?.();
  }

  /** Resolves when no request is served any more. */
  settled(): Promise<void> {
    if (this.#byMessageId.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#settled.push(resolve));
  }

  get #full(): boolean {
    return this.#byMessageId.size >= this.options.window;
  }

  #refusal(messageId: number): number | undefined {
    if (this.#byMessageId.has(messageId)) return requestAnswers.duplicateMessageId.status;
    const isGetServed = [...this.#byMessageId.values()].some(({ isGet }) => isGet);
    return this.#full && isGetServed ? requestAnswers.windowFull.status : undefined;
  }

  #arrival(context: AcceptedContext, command: CommandSet, messageId: number): { sink: DatasetSink; start: () => void } {
    let signal: AbortSignal | undefined;
    let arrived = (): void => undefined;
    const serve = (): void => {
      this.#cutOff = undefined;
      arrived();
      if (signal) void this.options.serve(arrival.request(signal)).finally(() => this.#close(messageId));
    };
    const isStore = command.commandField === CommandField.CStoreRq;
    const { identifierBytesMax: bytesMax, peer } = this.options;
    const arrival: Arrival = isStore
      ? storeArrival(context, command, messageId, this.options.hold)
      : wholeArrival(context, command, messageId, { bytesMax, peer }, serve);
    const start = (): void => {
      const controller = new AbortController();
      ({ signal } = controller);
      const isGet = command.commandField === CommandField.CGetRq;
      this.#byMessageId.set(messageId, { controller, stream: arrival.stream, isGet, release: () => arrival.release() });
      if (isStore || !command.hasDataset) serve();
      else arrived = this.options.awaitWhole();
      const cutOff = (): void => {
        arrived();
        this.#close(messageId);
      };
      if (command.hasDataset) this.#cutOff = isStore ? arrival.cutOff : cutOff;
    };
    return { sink: arrival.sink, start };
  }

  #start(blocked: () => boolean, start: () => void): void {
    if (blocked()) this.#parked = { blocked, start };
    else start();
  }

  #close(messageId: number): void {
    this.#byMessageId.get(messageId)?.release();
    this.#byMessageId.delete(messageId);
    if (this.#byMessageId.size === 0) for (const settled of this.#settled.splice(0)) settled();
    this.options.closed();
  }
}
