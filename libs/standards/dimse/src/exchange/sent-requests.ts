import { ProtocolError } from '../errors.js';
import { type CommandSet, responseTo } from '../messages/command-set.js';
import { isPending } from '../status.js';
import { AbortReason } from '../upper-layer/pdu.js';

/** A response to one of our requests. */
export interface ResponseMessage {
  readonly command: CommandSet;
  readonly status: number;
  /** Its identifier or attribute list, in the transfer syntax of the context; absent when it has none. */
  readonly dataset?: Buffer;
}

export interface SentRequestOptions {
  /** The peer's silence after the request, or after a response, until it counts as gone. */
  readonly responseMs: number;
  /** Called when that is over. */
  readonly silent: () => void;
  /** Bytes of responses that nobody has taken yet: more (positive), and fewer. */
  readonly held: (bytes: number) => void;
}

/** One of our requests, and its responses in the order they come. */
export class SentRequest {
  readonly #responses: ResponseMessage[] = [];
  readonly #failing = Promise.withResolvers<never>();
  #waiting: ((response: ResponseMessage | undefined) => void) | undefined;
  #failure: Error | undefined;
  #timer: NodeJS.Timeout | undefined;
  #answered = false;

  constructor(
    readonly messageId: number,
    private readonly commandField: number,
    private readonly options: SentRequestOptions,
  ) {
    this.failed.catch(() => undefined);
  }

  /** Rejects when the association ends before the last response. */
  get failed(): Promise<never> {
    return this.#failing.promise;
  }

  /** True once the last response came, also when it was not taken yet. */
  get answered(): boolean {
    return this.#answered;
  }

  /** From now the peer owes a response. */
  expectResponse(): void {
    if (this.#answered || this.#failure) return;
    if (this.#timer) this.#timer.refresh();
    else this.#timer = setTimeout(this.options.silent, this.options.responseMs);
  }

  /** The next response; the last one is the first whose status is not Pending. @throws what `fail` was told */
  async next(): Promise<ResponseMessage> {
    const response = this.#responses.shift() ?? (await this.#coming());
    if (!response) throw this.#failure ?? new Error('no response will come');
    if (response.dataset) this.options.held(-response.dataset.length);
    return response;
  }

  #coming(): Promise<ResponseMessage | undefined> {
    if (this.#failure) return Promise.resolve(undefined);
    return new Promise((resolve) => (this.#waiting = resolve));
  }

  /** @throws {ProtocolError} a response of another service than the request's */
  assertAnsweredBy({ commandField }: CommandSet): void {
    if (commandField !== responseTo(this.commandField)) throw unexpectedResponse('of another service');
  }

  /** @returns true when it is the last one */
  take(response: ResponseMessage): boolean {
    if (response.dataset) this.options.held(response.dataset.length);
    this.#answered = !isPending(response.status);
    if (this.#answered) clearTimeout(this.#timer);
    else this.expectResponse();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) waiting(response);
    else this.#responses.push(response);
    return this.#answered;
  }

  fail(error: Error): void {
    clearTimeout(this.#timer);
    this.#failure = error;
    this.#failing.reject(error);
    this.#waiting?.(undefined);
    this.#waiting = undefined;
  }
}

const messageIdMax = 0xffff;

/** Our requests that are not answered yet: no more than the window, each with a message id of its own (PS3.7 section 6.3). */
export class SentRequests {
  readonly #pending = new Map<number, SentRequest>();
  readonly #waiting: (() => void)[] = [];
  #taken = 0;
  #lastId = 0;
  #failure: Error | undefined;

  /** @param window requests that may be unanswered at the same time */
  constructor(private readonly window: number) {}

  /** Waits for a place in the window. @throws what `fail` was told */
  async open(commandField: number, options: SentRequestOptions): Promise<SentRequest> {
    if (!this.#failure && this.#taken >= this.window) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#taken++;
    if (this.#failure) throw this.#failure;
    do this.#lastId = this.#lastId >= messageIdMax ? 1 : this.#lastId + 1;
    while (this.#pending.has(this.#lastId));
    const request = new SentRequest(this.#lastId, commandField, options);
    this.#pending.set(request.messageId, request);
    return request;
  }

  /** @throws {ProtocolError} a response nobody asked for */
  forResponse(command: CommandSet): SentRequest {
    const request = this.#pending.get(command.messageIdBeingRespondedTo ?? -1);
    if (!request) throw unexpectedResponse('that nobody asked for');
    request.assertAnsweredBy(command);
    return request;
  }

  /** The request was answered, or never sent: its place and its number are free. */
  close(request: SentRequest): void {
    if (!this.#pending.delete(request.messageId)) return;
    const next = this.#waiting.shift();
    if (next) next();
    else this.#taken--;
  }

  fail(error: Error): void {
    this.#failure = error;
    for (const request of this.#pending.values()) request.fail(error);
    this.#pending.clear();
    for (const next of this.#waiting.splice(0)) next();
  }
}

const unexpectedResponse = (what: string): ProtocolError =>
  new ProtocolError('unexpected-response', `a response ${what}`, AbortReason.UnexpectedPdu);
