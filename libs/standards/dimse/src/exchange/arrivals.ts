import { ProtocolError } from '../errors.js';
import type { CommandSet } from '../messages/command-set.js';
import { DatasetStream } from '../messages/dataset-stream.js';
import { GrowingBytes } from '../messages/growing-bytes.js';
import type { DatasetSink } from '../messages/message-receiver.js';
import { AbortReason } from '../upper-layer/pdu.js';
import type { AcceptedContext } from './contexts.js';
import type { IncomingRequest } from './incoming-request.js';
import { keptDatasets, type KeptShare } from './kept-datasets.js';

/** A request on its way in. */
export interface Arrival {
  readonly stream?: DatasetStream;
  /** Where its dataset goes. */
  readonly sink: DatasetSink;
  /** The request to serve, once `signal` is there. */
  request(signal: AbortSignal): IncomingRequest;
  /** No more bytes will come. */
  cutOff(): void;
  /** The request was answered, or never will be: nothing of it is kept any more. */
  release(): void;
}

/** A C-STORE: served while its dataset comes. @param held bytes of it nobody has read yet, more or (negative) fewer */
export function storeArrival(
  context: AcceptedContext,
  command: CommandSet,
  messageId: number,
  held: (bytes: number) => void,
): Arrival {
  const stream = command.hasDataset ? new DatasetStream((bytes) => held(-bytes)) : undefined;
  const { promise: received, resolve } = Promise.withResolvers<void>();
  if (!stream) resolve();
  return {
    ...(stream ? { stream } : {}),
    sink: {
      write: (bytes) => held(stream?.append(bytes) ?? 0),
      end: () => {
        stream?.complete();
        resolve();
      },
    },
    request: (signal) => ({
      context,
      command,
      messageId,
      signal,
      received,
      tooLong: false,
      ...(stream ? { stream } : {}),
    }),
    cutOff: resolve,
    release: () => undefined,
  };
}

/** Any other request: served once its identifier or attribute list is whole. `ready` is called then. */
export function wholeArrival(
  context: AcceptedContext,
  command: CommandSet,
  messageId: number,
  { bytesMax, peer }: { readonly bytesMax: number; readonly peer: string },
  ready: () => void,
): Arrival {
  const share = keptDatasets.share(peer);
  const collected = new CollectedDataset(bytesMax, ready, share);
  return {
    sink: collected,
    request: (signal) => ({
      context,
      command,
      messageId,
      signal,
      received: Promise.resolve(),
      tooLong: collected.tooLong,
      ...(command.hasDataset ? { dataset: collected.take() } : {}),
    }),
    cutOff: () => undefined,
    release: () => share.release(),
  };
}

/** A dataset kept whole, up to a limit and what there is room for in all; past it nothing is kept, and the rest is thrown away. */
export class CollectedDataset implements DatasetSink {
  readonly #bytes: GrowingBytes;
  tooLong = false;

  constructor(
    private readonly bytesMax: number,
    private readonly whole: () => void,
    private readonly share?: KeptShare,
  ) {
    this.#bytes = new GrowingBytes(bytesMax);
  }

  write(bytes: Buffer): void {
    if (this.tooLong) return;
    const isWithin = this.#bytes.byteCount + bytes.length <= this.bytesMax;
    this.tooLong = !isWithin || this.share?.grow(bytes.length) === false;
    if (!this.tooLong) return this.#bytes.append(bytes);
    this.#bytes.take();
    this.share?.release();
  }

  end(): void {
    this.whole();
  }

  /** Once, at its end. */
  take(): Buffer {
    return this.#bytes.take();
  }
}

/** For a dataset that belongs to nothing we do: `end` is called when it is over. */
export const discarding = (end: () => void): DatasetSink => ({ write: () => undefined, end });

export const tooLongResponse = (bytesMax: number): ProtocolError =>
  new ProtocolError('message-too-long', `a response is longer than ${bytesMax} bytes`, AbortReason.NotSpecified);

/** A message that no rule of PS3.7 allows: the association ends. */
export const malformed = (message: string): ProtocolError =>
  new ProtocolError('malformed-message', message, AbortReason.InvalidParameterValue);
