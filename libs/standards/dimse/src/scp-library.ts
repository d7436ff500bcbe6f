import type { Writable } from 'node:stream';

import {
  CEchoResponse,
  CStoreResponse,
  Dataset,
  type LibraryAssociation,
  type LibraryDataset,
  type LibraryEchoRequest,
  type LibraryEchoResponse,
  type LibraryPresentationContext,
  type LibraryStoreRequest,
  type LibraryStoreResponse,
  Scp,
} from './library.js';
import type { LibrarySocket } from './library-socket.js';
import type { StoreAnswer } from './scp.js';
import { StoreStatus } from './status.js';

/** What the library tells the connection; nothing here may throw: its emitter swallows or re-raises out of reach. */
export interface LibraryEvents {
  associationRequested(association: LibraryAssociation): void;
  releaseRequested(): void;
  aborted(): void;
  /** The library could not read a PDU or a message. */
  failed(): void;
  storeBegun(request: LibraryStoreRequest, context: LibraryPresentationContext): Writable;
  echoed(): void;
  /** The last fragment came: resolves with the answer to send. */
  storeReceived(): Promise<StoreAnswer>;
}

/** The library's service class provider, reduced to what it is good at: PDU contents and command sets. */
export class LibraryScp extends Scp {
  private answer: StoreAnswer | undefined;

  constructor(
    socket: LibrarySocket,
    private readonly events: LibraryEvents,
  ) {
    super(socket.asSocket());
    this.on('networkError', () => this.events.failed());
  }

  override associationRequested(association: LibraryAssociation): void {
    this.events.associationRequested(association);
  }

  override associationReleaseRequested(): void {
    this.events.releaseRequested();
  }

  override abort(): void {
    this.events.aborted();
  }

  override createStoreWritableStream(context: LibraryPresentationContext, request: LibraryStoreRequest): Writable {
    return this.events.storeBegun(request, context);
  }

  /** The dataset is not parsed here: it went to the store while it came. */
  override createDatasetFromStoreWritableStream(
    _writable: Writable,
    _context: LibraryPresentationContext,
    done: (dataset: LibraryDataset) => void,
  ): void {
    void this.events.storeReceived().then((answer) => {
      this.answer = answer;
      done(new Dataset({}));
    });
  }

  override cStoreRequest(request: LibraryStoreRequest, respond: (response: LibraryStoreResponse) => void): void {
    // A C-STORE-RQ that announces no dataset comes here directly.
    const { status, comment } = this.answer ?? { status: StoreStatus.CannotUnderstand, comment: 'no dataset' };
    this.answer = undefined;
    const response = CStoreResponse.fromRequest(request);
    response.setStatus(status);
    if (comment !== undefined) response.setErrorComment(comment.slice(0, 64));
    respond(response);
  }

  override cEchoRequest(request: LibraryEchoRequest, respond: (response: LibraryEchoResponse) => void): void {
    const response = CEchoResponse.fromRequest(request);
    response.setStatus(StoreStatus.Success);
    respond(response);
    this.events.echoed();
  }
}
