import type { MessageLimits } from '../messages/message-receiver.js';
import type { AcceptedContexts } from './contexts.js';
import type { IncomingRequest } from './incoming-request.js';

export interface ExchangeLimits extends MessageLimits {
  readonly pduBytesMax: number;
  readonly identifierBytesMax: number;
  readonly bufferedBytesMax: number;
  /** The peer's time for the whole of a dataset that is kept whole, in however many PDUs it comes. */
  readonly wholeMs: number;
  /** Of a message that goes on for longer than `stallMs`. */
  readonly messageBytesPerSecondMin: number;
  /** The peer's silence after a request of ours. */
  readonly responseMs: number;
  /** A peer that takes nothing for this long is gone. */
  readonly stallMs: number;
  /** Time the peer has to close the connection after the end; 0: we close it. */
  readonly lingerMs: number;
}

export interface ExchangeOptions {
  readonly contexts: AcceptedContexts;
  /** AE title of the peer. */
  readonly peer: string;
  /** Longest P-DATA-TF the peer takes; 0 is "no limit". */
  readonly peerPduBytesMax: number;
  /** Requests of the peer's that are served at the same time, and ours that may be unanswered. */
  readonly servedMax: number;
  readonly sentMax: number;
  readonly limits: ExchangeLimits;
  /** Serves one request to its last response. */
  readonly serve: (request: IncomingRequest) => Promise<void>;
  /** Told of a request that was answered with a failure without being served. */
  readonly onRefused?: (request: IncomingRequest, status: number) => void;
  /** Told of what `serve` throws: a defect. */
  readonly onError: (error: unknown) => void;
}
