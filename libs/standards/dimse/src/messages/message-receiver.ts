import { ProtocolError } from '../errors.js';
import { AbortReason, Control } from '../upper-layer/pdu.js';
import { type CommandSet, decodeCommandSet } from './command-set.js';
import { GrowingBytes } from './growing-bytes.js';

/** Takes the dataset that follows a command. */
export interface DatasetSink {
  write(bytes: Buffer): void;
  end(): void;
}

export interface MessageLimits {
  /** Longest command set; the largest the standard knows has some 300 bytes. */
  readonly commandBytesMax: number;
  /** Longest dataset of one message. */
  readonly objectBytesMax: number;
}

interface Incoming {
  readonly contextId: number;
  readonly sink: DatasetSink;
  bytes: number;
}

/** Messages out of presentation data values (PS3.7 section 6.3.1, PS3.8 annex E.2): one command set, then its dataset. */
export class MessageReceiver {
  /** Of a command that comes in pieces. */
  readonly #command: GrowingBytes;
  #commandContextId = 0;
  #dataset: Incoming | undefined;

  constructor(
    private readonly limits: MessageLimits,
    /** Called with each command; the sink is asked for when a dataset follows. */
    private readonly received: (contextId: number, command: CommandSet) => DatasetSink | undefined,
  ) {
    this.#command = new GrowingBytes(limits.commandBytesMax);
  }

  /** True between the first byte of a message and its last. */
  get inMessage(): boolean {
    return this.#dataset !== undefined || this.#command.byteCount > 0;
  }

  get inDataset(): boolean {
    return this.#dataset !== undefined;
  }

  /** @throws {ProtocolError} what is out of turn, too long, or of another context than its message */
  value(contextId: number, control: number, bytes: Buffer, end: boolean): void {
    const last = end && (control & Control.Last) !== 0;
    if (control & Control.Command) this.#commandValue(contextId, bytes, last);
    else this.#datasetValue(contextId, bytes, last);
  }

  #commandValue(contextId: number, bytes: Buffer, last: boolean): void {
    if (this.#dataset)
      throw new ProtocolError('command-inside-dataset', 'a command inside a dataset', AbortReason.UnexpectedPdu);
    const { byteCount } = this.#command;
    if (byteCount > 0 && contextId !== this.#commandContextId) throw otherContext();
    this.#commandContextId = contextId;
    if (byteCount + bytes.length > this.limits.commandBytesMax) throw tooLong(this.limits.commandBytesMax);
    // Mostly it comes in one piece, which is read where it lies.
    const inOne = last && byteCount === 0;
    if (!inOne) this.#command.append(bytes);
    if (!last) return;
    const command = decodeCommandSet(inOne ? bytes : this.#command.take());
    const sink = this.received(contextId, command);
    if (sink) this.#dataset = { contextId, sink, bytes: 0 };
  }

  #datasetValue(contextId: number, bytes: Buffer, last: boolean): void {
    const dataset = this.#dataset;
    if (!dataset)
      throw new ProtocolError('unexpected-dataset', 'a dataset that no command announced', AbortReason.UnexpectedPdu);
    if (contextId !== dataset.contextId) throw otherContext();
    dataset.bytes += bytes.length;
    if (dataset.bytes > this.limits.objectBytesMax) throw tooLong(this.limits.objectBytesMax);
    dataset.sink.write(bytes);
    if (!last) return;
    this.#dataset = undefined;
    dataset.sink.end();
  }
}

const tooLong = (max: number): ProtocolError =>
  new ProtocolError('message-too-long', `a message is longer than ${max} bytes`, AbortReason.NotSpecified);

const otherContext = (): ProtocolError =>
  new ProtocolError('malformed-message', 'a message is spread over two contexts', AbortReason.InvalidParameterValue);
