/** Number of bytes wanted next, and whether they are looked at or thrown away. */
interface Want {
  readonly bytes: number;
  readonly keep: boolean;
}
type Conversation = Generator<Want, void, Buffer>;

export interface SinkPeer {
  /** Writes to the peer. */
  reply(pdu: Buffer): void;
  /** A dataset came to its end and is answered with Success. */
  stored(): void;
}

/** PDU types of PS3.8 section 9.3. */
const associateRequest = 1;
const dataTransfer = 4;
const releaseRequest = 5;
/** As long as any receiver of the comparison takes. */
const pduBytesMax = 256 * 1024;
/** Longer ones are nobody's A-ASSOCIATE-RQ or command set. */
const keptBytesMax = 1024 * 1024;
const nothing = Buffer.alloc(0);

/**
 * The receiving end of an association that throws every object away as it comes and says that it is stored: what a sender
 * can give when nothing holds it up. It reads no byte of a dataset and keeps none.
 */
export class SinkAssociation {
  readonly #conversation: Conversation;
  #want: Want;
  #missing: number;
  #kept: Buffer[] = [];

  constructor(peer: SinkPeer) {
    this.#conversation = conversation(peer);
    this.#want = this.#conversation.next().value ?? { bytes: 0, keep: false };
    this.#missing = this.#want.bytes;
  }

  /** @throws {RangeError} for what is no association */
  take(chunk: Buffer): void {
    for (let at = 0; at < chunk.byteLength;) {
      const bytes = Math.min(this.#missing, chunk.byteLength - at);
      if (this.#want.keep) this.#kept.push(chunk.subarray(at, at + bytes));
      at += bytes;
      this.#missing -= bytes;
      while (this.#missing === 0) this.#goOn();
    }
  }

  #goOn(): void {
    const [alone = nothing] = this.#kept;
    const kept = this.#kept.length > 1 ? Buffer.concat(this.#kept) : alone;
    this.#kept = [];
    const { value } = this.#conversation.next(kept);
    if (!value || value.bytes < 0 || (value.keep && value.bytes > keptBytesMax))
      throw new RangeError('this is no association');
    this.#want = value;
    this.#missing = value.bytes;
  }
}

function* conversation(peer: SinkPeer): Conversation {
  const message = { command: nothing };
  for (;;) {
    const header = yield { bytes: 6, keep: true };
    const bytes = header.readUInt32BE(2);
    switch (header.readUInt8(0)) {
      case associateRequest:
        peer.reply(associateAccept(yield { bytes, keep: true }));
        break;
      case dataTransfer:
        yield* dataValues(bytes, message, peer);
        break;
      case releaseRequest:
        yield { bytes, keep: false };
        peer.reply(pduOf(6, Buffer.alloc(4)));
        break;
      default:
        yield { bytes, keep: false };
    }
  }
}

/** The values of one P-DATA-TF, PS3.8 section 9.3.5. */
function* dataValues(pduBytes: number, message: { command: Buffer }, peer: SinkPeer): Conversation {
  for (let left = pduBytes; left > 0;) {
    const item = yield { bytes: 6, keep: true };
    const fragmentBytes = item.readUInt32BE(0) - 2;
    left -= 6 + fragmentBytes;
    const [contextId, control] = [item.readUInt8(4), item.readUInt8(5)];
    const [isCommand, isLast] = [(control & 1) !== 0, (control & 2) !== 0];
    const fragment = yield { bytes: fragmentBytes, keep: isCommand };
    if (isCommand) message.command = Buffer.concat([message.command, fragment]);
    if (!isLast) continue;
    const request = readCommand(message.command);
    const isEnd = !isCommand || request.datasetType === noDataset;
    if (!isEnd) continue;
    if (!isCommand) peer.stored();
    peer.reply(response(contextId, request));
    message.command = nothing;
  }
}

/** Accepts every presentation context in the first transfer syntax proposed for it (PS3.8 section 9.3.3). */
export function associateAccept(request: Buffer): Buffer {
  const contexts: Buffer[] = [];
  for (const { type, value } of itemsOf(request.subarray(68))) {
    if (type !== 0x20) continue;
    const syntax = itemsOf(value.subarray(4)).find((item) => item.type === 0x40);
    const result = Buffer.from([value.readUInt8(0), 0, 0, 0]);
    contexts.push(itemOf(0x21, Buffer.concat([result, itemOf(0x40, syntax?.value ?? nothing)])));
  }
  const longest = Buffer.alloc(4);
  longest.writeUInt32BE(pduBytesMax);
  const user = [itemOf(0x51, longest), itemOf(0x52, Buffer.from('2.25.1', 'latin1'))];
  const body = [
    request.subarray(0, 68),
    itemOf(0x10, Buffer.from('1.2.840.10008.3.1.1.1', 'latin1')),
    ...contexts,
    itemOf(0x50, Buffer.concat(user)),
  ];
  return pduOf(2, Buffer.concat(body));
}

function itemsOf(bytes: Buffer): { readonly type: number; readonly value: Buffer }[] {
  const items = [];
  for (let at = 0; at + 4 <= bytes.byteLength;) {
    const end = at + 4 + bytes.readUInt16BE(at + 2);
    items.push({ type: bytes.readUInt8(at), value: bytes.subarray(at + 4, end) });
    at = end;
  }
  return items;
}

function itemOf(type: number, value: Buffer): Buffer {
  const header = Buffer.from([type, 0, 0, 0]);
  header.writeUInt16BE(value.byteLength, 2);
  return Buffer.concat([header, value]);
}

function pduOf(type: number, body: Buffer): Buffer {
  const header = Buffer.from([type, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(body.byteLength, 2);
  return Buffer.concat([header, body]);
}

interface Command {
  readonly sopClassUid: Buffer;
  readonly sopInstanceUid: Buffer;
  readonly commandField: number;
  readonly messageId: number;
  readonly datasetType: number;
}

/** Command Data Set Type (0000,0800) of a message without a dataset, PS3.7 section E.1. */
const noDataset = 0x0101;

/** Elements of group 0000 in Implicit VR Little Endian, PS3.7 section 6.3.1. */
function readCommand(command: Buffer): Command {
  const elements = new Map<number, Buffer>();
  for (let at = 0; at + 8 <= command.byteLength;) {
    const end = at + 8 + command.readUInt32LE(at + 4);
    elements.set(command.readUInt16LE(at + 2), command.subarray(at + 8, end));
    at = end;
  }
  const bytes = (element: number): Buffer => elements.get(element) ?? nothing;
  const number = (element: number): number => (bytes(element).byteLength >= 2 ? bytes(element).readUInt16LE(0) : 0);
  return {
    sopClassUid: bytes(0x0002),
    sopInstanceUid: bytes(0x1000),
    commandField: number(0x0100),
    messageId: number(0x0110),
    datasetType: number(0x0800),
  };
}

/** Success, in a P-DATA-TF of its own. */
function response(contextId: number, request: Command): Buffer {
  const elements = [
    elementOf(0x0002, request.sopClassUid),
    elementOf(0x0100, shortOf(request.commandField | 0x8000)),
    elementOf(0x0120, shortOf(request.messageId)),
    elementOf(0x0800, shortOf(noDataset)),
    elementOf(0x0900, shortOf(0)),
    ...(request.sopInstanceUid.byteLength > 0 ? [elementOf(0x1000, request.sopInstanceUid)] : []),
  ];
  const group = Buffer.concat(elements);
  const groupLength = Buffer.alloc(4);
  groupLength.writeUInt32LE(group.byteLength);
  const command = Buffer.concat([elementOf(0x0000, groupLength), group]);
  const item = Buffer.alloc(6);
  item.writeUInt32BE(command.byteLength + 2);
  item.writeUInt8(contextId, 4);
  item.writeUInt8(3, 5);
  return pduOf(dataTransfer, Buffer.concat([item, command]));
}

function elementOf(element: number, value: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16LE(element, 2);
  header.writeUInt32LE(value.byteLength, 4);
  return Buffer.concat([header, value]);
}

function shortOf(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}
