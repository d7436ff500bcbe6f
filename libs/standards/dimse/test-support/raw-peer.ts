import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { ctImageStorage, explicitVrLittleEndian } from './objects.js';

export const pdu = (type: number, body: Buffer): Buffer => {
  const header = Buffer.alloc(6);
  header.writeUInt8(type, 0);
  header.writeUInt32BE(body.length, 2);
  return Buffer.concat([header, body]);
};

const item = (type: number, body: Buffer): Buffer => {
  const header = Buffer.alloc(4);
  header.writeUInt8(type, 0);
  header.writeUInt16BE(body.length, 2);
  return Buffer.concat([header, body]);
};

export interface RawContext {
  readonly id: number;
  readonly abstractSyntax: string;
  readonly transferSyntaxes: readonly string[];
}

const ct: RawContext = { id: 1, abstractSyntax: ctImageStorage, transferSyntaxes: [explicitVrLittleEndian] };

export interface RawRequest {
  readonly contexts?: readonly RawContext[];
  readonly pduBytesMax?: number;
  readonly version?: number;
  readonly callingAet?: string;
  readonly applicationContext?: string;
  /** Proposes a window of so many operations, both ways. */
  readonly asynchronous?: number;
  /** SOP classes it is a provider of, by role selection. */
  readonly providerOf?: readonly string[];
}

/** An A-ASSOCIATE-RQ written byte by byte, so that it can also be wrong. */
export function associateRq({
  contexts = [ct],
  pduBytesMax = 16_384,
  version = 1,
  callingAet = 'RAW',
  applicationContext = '1.2.840.10008.3.1.1.1',
  asynchronous = 0,
  providerOf = [],
}: RawRequest = {}): Buffer {
  const fixed = Buffer.alloc(68);
  fixed.writeUInt16BE(version, 0);
  fixed.write('CALLOSUM'.padEnd(16), 4, 'latin1');
  fixed.write(callingAet.padEnd(16), 20, 'latin1');
  const max = Buffer.alloc(4);
  max.writeUInt32BE(pduBytesMax);
  const user = [item(0x51, max), item(0x52, Buffer.from('1.2.3.4'))];
  if (asynchronous > 0) user.push(item(0x53, Buffer.from([0, asynchronous, 0, asynchronous])));
  for (const uid of providerOf)
    user.push(item(0x54, Buffer.concat([Buffer.from([0, uid.length]), Buffer.from(uid), Buffer.from([0, 1])])));
  return pdu(
    1,
    Buffer.concat([
      fixed,
      item(0x10, Buffer.from(applicationContext)),
      ...contexts.map(({ id, abstractSyntax, transferSyntaxes }) =>
        item(
          0x20,
          Buffer.concat([
            Buffer.from([id, 0, 0, 0]),
            item(0x30, Buffer.from(abstractSyntax)),
            ...transferSyntaxes.map((uid) => item(0x40, Buffer.from(uid))),
          ]),
        ),
      ),
      item(0x50, Buffer.concat(user)),
    ]),
  );
}

const ul = (number: number, value: number): Buffer => {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt16LE(number, 2);
  bytes.writeUInt32LE(4, 4);
  bytes.writeUInt32LE(value, 8);
  return bytes;
};
const us = (number: number, value: number): Buffer => {
  const bytes = Buffer.alloc(10);
  bytes.writeUInt16LE(number, 2);
  bytes.writeUInt32LE(2, 4);
  bytes.writeUInt16LE(value, 8);
  return bytes;
};
const ui = (number: number, value: string): Buffer => {
  const padded = Buffer.from(value.length % 2 ? `${value}\0` : value);
  const head = Buffer.alloc(8);
  head.writeUInt16LE(number, 2);
  head.writeUInt32LE(padded.length, 4);
  return Buffer.concat([head, padded]);
};

/** C-STORE-RQ command set in Implicit VR Little Endian. */
export function storeCommand(sopInstanceUid = '1.2.3.4.5', sopClassUid = ctImageStorage, messageId = 1): Buffer {
  const body = Buffer.concat([
    ui(0x0002, sopClassUid),
    us(0x0100, 0x0001),
    us(0x0110, messageId),
    us(0x0700, 0),
    us(0x0800, 0x0000),
    ui(0x1000, sopInstanceUid),
  ]);
  return Buffer.concat([ul(0x0000, body.length), body]);
}

/** A command set of any field, without a dataset unless `more` says so, in Implicit VR Little Endian. */
export function commandSet(commandField: number, messageId: number, more: readonly Buffer[] = []): Buffer {
  const body = Buffer.concat([us(0x0100, commandField), us(0x0110, messageId), ...more]);
  return Buffer.concat([ul(0x0000, body.length), body]);
}
export const withDataset = us(0x0800, 1);
export const cancelCommand = (messageId: number): Buffer =>
  Buffer.concat([ul(0, 30), us(0x0100, 0x0fff), us(0x0120, messageId), us(0x0800, 0x0101)]);
export const echoResponse = (messageId: number): Buffer =>
  Buffer.concat([ul(0, 30), us(0x0100, 0x8030), us(0x0120, messageId), us(0x0900, 0)]);

/** A response of any service. */
export function responseSet(commandField: number, messageId: number, status: number, hasDataset = false): Buffer {
  const body = [
    us(0x0100, commandField),
    us(0x0120, messageId),
    us(0x0800, hasDataset ? 1 : 0x0101),
    us(0x0900, status),
  ];
  return Buffer.concat([ul(0, 40), ...body]);
}

export function pdv(contextId: number, control: number, value: Buffer): Buffer {
  const head = Buffer.alloc(6);
  head.writeUInt32BE(value.length + 2, 0);
  head.writeUInt8(contextId, 4);
  head.writeUInt8(control, 5);
  return Buffer.concat([head, value]);
}

export const pData = (...pdvs: Buffer[]): Buffer => pdu(4, Buffer.concat(pdvs));
export const releaseRq = pdu(5, Buffer.alloc(4));
export const abortRq = pdu(7, Buffer.from([0, 0, 0, 0]));
export const Command = { more: 1, last: 3 } as const;
export const Data = { more: 0, last: 2 } as const;

/** A peer that sends what it is told and splits what it gets into PDUs. */
export class RawPeer {
  readonly received: Buffer[] = [];
  closed = false;
  #bytes = Buffer.alloc(0);

  private constructor(readonly socket: Socket) {
    socket.on('data', (bytes) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      while (this.#bytes.length >= 6 && this.#bytes.length >= 6 + this.#bytes.readUInt32BE(2)) {
        const end = 6 + this.#bytes.readUInt32BE(2);
        this.received.push(this.#bytes.subarray(0, end));
        this.#bytes = this.#bytes.subarray(end);
      }
    });
    socket.on('error', () => undefined);
    socket.on('close', () => (this.closed = true));
    socket.on('end', () => (this.closed = true));
  }

  static async connect(port: number): Promise<RawPeer> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new RawPeer(socket);
  }

  send(...pdus: Buffer[]): this {
    pdus.forEach((bytes) => this.socket.write(bytes));
    return this;
  }

  /** The first PDU of a type, waiting for it. */
  async next(type: number): Promise<Buffer> {
    const deadline = Date.now() + 5_000;
    for (;;) {
      const index = this.received.findIndex((bytes) => bytes.readUInt8(0) === type);
      if (index >= 0) return this.received.splice(index, 1)[0] as Buffer;
      if (Date.now() > deadline) throw new Error(`no PDU of type ${type} within five seconds`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** Status (0000,0900) of a response. */
export function statusOf(pDataTf: Buffer): number {
  const at = pDataTf.indexOf(Buffer.from([0x00, 0x00, 0x00, 0x09, 2, 0, 0, 0]));
  return pDataTf.readUInt16LE(at + 8);
}

/** Command Field (0000,0100); undefined of a dataset. */
export function commandFieldOf(pDataTf: Buffer): number | undefined {
  const at = pDataTf.indexOf(Buffer.from([0x00, 0x00, 0x00, 0x01, 2, 0, 0, 0]));
  return at < 0 ? undefined : pDataTf.readUInt16LE(at + 8);
}

/** Message ID Being Responded To (0000,0120) of a response. */
export function answeredMessageId(pDataTf: Buffer): number {
  const at = pDataTf.indexOf(Buffer.from([0x00, 0x00, 0x20, 0x01, 2, 0, 0, 0]));
  return pDataTf.readUInt16LE(at + 8);
}

/** Result by presentation context id, and the accepted transfer syntax. */
export function acceptedContexts(associateAc: Buffer): Map<number, { result: number; transferSyntax: string }> {
  const contexts = new Map<number, { result: number; transferSyntax: string }>();
  for (let offset = 74; offset < associateAc.length;) {
    const end = offset + 4 + associateAc.readUInt16BE(offset + 2);
    if (associateAc.readUInt8(offset) === 0x21) {
      contexts.set(associateAc.readUInt8(offset + 4), {
        result: associateAc.readUInt8(offset + 6),
        transferSyntax: associateAc.toString('latin1', offset + 12, end),
      });
    }
    offset = end;
  }
  return contexts;
}

/** A sub-item of the user information, e.g. 0x51: maximum length. */
export function userItem(associateAc: Buffer, type: number): Buffer | undefined {
  for (let offset = 74; offset < associateAc.length;) {
    const end = offset + 4 + associateAc.readUInt16BE(offset + 2);
    if (associateAc.readUInt8(offset) === 0x50) {
      for (let at = offset + 4; at < end;) {
        const valueEnd = at + 4 + associateAc.readUInt16BE(at + 2);
        if (associateAc.readUInt8(at) === type) return associateAc.subarray(at + 4, valueEnd);
        at = valueEnd;
      }
    }
    offset = end;
  }
  return undefined;
}

/** An A-ASSOCIATE-AC for the one context 1. */
export function associateAc({
  pduBytesMax = 16_384,
  result = 0,
  transferSyntax = explicitVrLittleEndian,
} = {}): Buffer {
  const fixed = Buffer.alloc(68);
  fixed.writeUInt16BE(1, 0);
  const max = Buffer.alloc(4);
  max.writeUInt32BE(pduBytesMax);
  return pdu(
    2,
    Buffer.concat([
      fixed,
      item(0x10, Buffer.from('1.2.840.10008.3.1.1.1')),
      item(0x21, Buffer.concat([Buffer.from([1, 0, result, 0]), item(0x40, Buffer.from(transferSyntax))])),
      item(0x50, Buffer.concat([item(0x51, max), item(0x52, Buffer.from('1.2.3.4'))])),
    ]),
  );
}
