import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { errorMessage } from '@callosum/kernel';

import {
  AssociationAbortedError,
  AssociationRejectedError,
  ContextRefusedError,
  PeerUnreachableError,
  ProtocolError,
} from './errors.js';
import { Association, CEchoRequest, CStoreRequest, Dataset, type LibraryPresentationContext, Scp } from './library.js';
import { LibrarySocket } from './library-socket.js';
import { ContextResult } from './negotiation.js';
import { abortPdu, AbortReason, fragmentHeader, readPdus } from './pdu.js';

export interface ScuOptions {
  readonly host: string;
  readonly port: number;
  /** At most 16 characters. */
  readonly calledAet: string;
  readonly callingAet: string;
  readonly timeouts?: Partial<ScuTimeouts>;
}

export interface ScuTimeouts {
  /** TCP connection, and then the answer to A-ASSOCIATE-RQ and A-RELEASE-RQ. */
  readonly associateMs: number;
  /** From the end of a request, or the last bytes the peer took of it, to its response. */
  readonly responseMs: number;
}

const scuTimeouts: ScuTimeouts = {
  associateMs: 10_000,
  // A busy archive may sort out a large object for a while before it answers.
  responseMs: 120_000,
};

/** Longest PDU we take and, when the peer names no limit, send. */
const pduBytesMax = 256 * 1024;
/** What fits into a P-DATA-TF beside the header of its one value. */
const pdvHeaderBytes = 6;
/** A peer that takes less cannot even get a command set in one piece. */
const peerPduBytesMin = 1024;

export interface ProposedContext {
  readonly abstractSyntaxUid: string;
  readonly transferSyntaxUids: readonly string[];
}

/** The response of a C-ECHO or C-STORE. */
export interface ScuResponse {
  readonly status: number;
  readonly comment?: string;
}

/** An association as requestor. The library's Network class is exported through its Scp only; its Client opens a
 *  socket of its own, merges contexts and drops private attributes, so it is not used. */
export class ScuAssociation {
  readonly #channel: LibrarySocket;
  readonly #library: InstanceType<typeof Scp>;
  #failure: Error | undefined;
  #failed!: (error: Error) => void;
  readonly #whenFailed: Promise<never>;
  #released = false;

  private constructor(
    private readonly socket: Socket,
    private readonly association: ScuContexts,
    private readonly timeouts: ScuTimeouts,
  ) {
    this.#whenFailed = new Promise((_resolve, reject) => (this.#failed = reject));
    this.#whenFailed.catch(() => undefined);
    this.#channel = new LibrarySocket((pdu) => {
      if (socket.writable) socket.write(pdu);
    });
    this.#library = new Scp(this.#channel.asSocket());
    this.#library.on('associationRejected', (answer: { result: number; source: number; reason: number }) =>
      this.#fail(new AssociationRejectedError(answer.result, answer.source, answer.reason)),
    );
    this.#library.on('networkError', () => this.#abort('the peer sent what cannot be read'));
    this.#library.abort = (source?: number, reason?: number) =>
      this.#fail(
        new AssociationAbortedError(`the peer aborted the association (source ${source ?? 0}, reason ${reason ?? 0})`),
      );
    void this.#read();
  }

  /**
   * Connects and asks for an association with `contexts`, at most 128.
   * @throws {PeerUnreachableError} @throws {AssociationRejectedError} @throws {AssociationAbortedError}
   */
  static async open(options: ScuOptions, contexts: readonly ProposedContext[]): Promise<ScuAssociation> {
    const timeouts = { ...scuTimeouts, ...options.timeouts };
    const socket = await connected(options, timeouts.associateMs);
    const association = new ScuContexts(options.callingAet, options.calledAet);
    for (const { abstractSyntaxUid, transferSyntaxUids } of contexts) {
      const id = association.addPresentationContext(abstractSyntaxUid);
      transferSyntaxUids.forEach((uid) => association.addTransferSyntaxToPresentationContext(id, uid));
    }
    association.setMaxPduLength(pduBytesMax);
    const scu = new ScuAssociation(socket, association, timeouts);
    const accepted = new Promise<void>((resolve) => scu.#library.on('associationAccepted', () => resolve()));
    scu.#library.sendAssociationRequest(association);
    await scu.#within(timeouts.associateMs, accepted, 'no answer to the association request');
    const peerMax = association.getMaxPduLength();
    if (peerMax !== 0 && peerMax < peerPduBytesMin) {
      // The library cuts a dataset into pieces of `maximum - 6` bytes: without end when that is 0.
      throw scu.#abort(`the peer takes PDUs of at most ${peerMax} bytes`);
    }
    return scu;
  }

  /**
   * The accepted context for exactly this pair.
   * @throws {ContextRefusedError}
   */
  contextFor(abstractSyntaxUid: string, transferSyntaxUid: string): number {
    const contexts = this.association.getPresentationContexts() as {
      id: number;
      context: LibraryPresentationContext;
    }[];
    const asked = contexts.filter(
      ({ context }) =>
        context.getAbstractSyntaxUid() === abstractSyntaxUid && context.hasTransferSyntaxUid(transferSyntaxUid),
    );
    const accepted = asked.find(
      ({ context }) =>
        context.getResult() === ContextResult.Acceptance &&
        context.getAcceptedTransferSyntaxUid() === transferSyntaxUid,
    );
    if (accepted) return accepted.id;
    throw new ContextRefusedError(abstractSyntaxUid, transferSyntaxUid, asked[0]?.context.getResult() ?? 255);
  }

  /** C-ECHO. @throws {AssociationAbortedError} */
  async echo(contextId: number): Promise<ScuResponse> {
    const request = new CEchoRequest();
    return this.#request(request, contextId);
  }

  /**
   * C-STORE of `dataset`, whose bytes are sent as they are, at the speed the peer takes them.
   * @throws {AssociationAbortedError} the association ended, or `dataset` failed (then we abort: a message that has
   *   begun cannot be taken back)
   */
  async store(
    contextId: number,
    sopClassUid: string,
    sopInstanceUid: string,
    dataset: (chunkBytes: number) => AsyncIterable<Buffer>,
  ): Promise<ScuResponse> {
    const request = new CStoreRequest(new Dataset({ SOPClassUID: sopClassUid, SOPInstanceUID: sopInstanceUid }));
    // The command says that a dataset follows; the library gets none, because it would drop private attributes,
    // copy the whole of it, and queue it on the socket at once.
    request.getDataset = () => undefined as unknown as InstanceType<typeof Dataset>;
    const response = this.#request(request, contextId, () => this.#sendDataset(contextId, dataset));
    return response;
  }

  /** A-RELEASE. @throws {AssociationAbortedError} */
  async release(): Promise<void> {
    const released = new Promise<void>((resolve) => this.#library.on('associationReleaseResponse', () => resolve()));
    this.#library.sendAssociationReleaseRequest();
    await this.#within(this.timeouts.associateMs, released, 'no answer to the release request');
    this.#released = true;
    this.socket.end();
    this.socket.destroySoon();
  }

  /** A-ABORT; calls that wait fail. */
  abort(): void {
    this.#abort('aborted by us');
  }

  async #request(
    request: InstanceType<typeof CEchoRequest | typeof CStoreRequest>,
    contextId: number,
    body?: () => Promise<void>,
  ): Promise<ScuResponse> {
    if (this.#failure) throw this.#failure;
    const answered = new Promise<ScuResponse>((resolve) => {
      request.on('response', (response: { getStatus(): number; getErrorComment(): string | undefined }) => {
        const comment = response.getErrorComment();
        resolve({ status: response.getStatus(), ...(comment ? { comment } : {}) });
      });
    });
    this.association.use(contextId);
    // The library keeps every request, searches them from the first and reuses message ids after 65,535: the answer
    // would go to the older request.
    (this.#library as unknown as { pending: unknown[] }).pending = [];
    this.#library.sendRequests([request]);
    if (body) await Promise.race([body(), this.#whenFailed]);
    return this.#within(this.timeouts.responseMs, answered, 'no response in time');
  }

  async #sendDataset(contextId: number, dataset: (chunkBytes: number) => AsyncIterable<Buffer>): Promise<void> {
    const chunkBytes = Math.min(this.association.getMaxPduLength() || pduBytesMax, pduBytesMax) - pdvHeaderBytes;
    try {
      let previous: Buffer | undefined;
      for await (const chunk of dataset(chunkBytes)) {
        if (previous) await this.#sendFragment(contextId, previous, false);
        previous = chunk;
      }
      await this.#sendFragment(contextId, previous ?? Buffer.alloc(0), true);
    } catch (error) {
      throw this.#abort(`the dataset could not be sent: ${errorMessage(error)}`, error);
    }
  }

  async #sendFragment(contextId: number, fragment: Buffer, last: boolean): Promise<void> {
    if (this.#failure) throw this.#failure;
    this.socket.cork();
    this.socket.write(fragmentHeader(contextId, fragment.length, last));
    const more = this.socket.write(fragment);
    this.socket.uncork();
    if (!more) await this.#within(this.timeouts.responseMs, once(this.socket, 'drain'), 'the peer takes no more bytes');
  }

  async #read(): Promise<void> {
    try {
      const chunks = this.socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
      for await (const pdu of readPdus(chunks, pduBytesMax)) this.#channel.deliver(pdu);
      this.#fail(new AssociationAbortedError('the peer closed the connection'));
    } catch (error) {
      if (error instanceof ProtocolError) this.#abort(error.message, error);
      else this.#fail(new AssociationAbortedError(`the connection broke: ${errorMessage(error)}`, { cause: error }));
    }
  }

  async #within<T>(ms: number, work: Promise<T>, otherwise: string): Promise<T> {
    const timer = setTimeout(() => this.#abort(otherwise), ms);
    try {
      return await Promise.race([work, this.#whenFailed]);
    } finally {
      clearTimeout(timer);
    }
  }

  #abort(message: string, cause?: unknown): Error {
    if (this.socket.writable && !this.#failure) this.socket.write(abortPdu(AbortReason.NotSpecified));
    return this.#fail(new AssociationAbortedError(message, { cause }));
  }

  /** The first failure is the one told; the socket goes with it. */
  #fail(error: Error): Error {
    this.#failure ??= error;
    this.#channel.closed();
    this.socket.destroySoon();
    if (!this.#released) this.#failed(this.#failure);
    return this.#failure;
  }
}

/** The library picks a context by SOP class and may settle for one in another transfer syntax, then transcodes. */
class ScuContexts extends Association {
  #contextId = 1;

  use(contextId: number): void {
    this.#contextId = contextId;
  }

  override getAcceptedPresentationContextFromRequest(): LibraryPresentationContext {
    return this.getPresentationContext(this.#contextId);
  }
}

async function connected({ host, port }: ScuOptions, timeoutMs: number): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) });
  } catch (cause) {
    socket.destroy();
    throw new PeerUnreachableError(`no connection to ${host}:${port}`, { cause });
  }
  socket.on('error', () => undefined); // the reader sees it too
  return socket;
}
