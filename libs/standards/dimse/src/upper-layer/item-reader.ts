import { withoutEnd, withoutStart } from '@callosum/kernel';

import { ProtocolError } from '../errors.js';
import { AbortReason } from './pdu.js';

/** Reads the items of an A-ASSOCIATE PDU (PS3.8 section 9.3.1): everything has a length, and every length is checked. */
export class ItemReader {
  #offset = 0;

  constructor(private readonly bytes: Buffer) {}

  get done(): boolean {
    return this.#offset >= this.bytes.length;
  }

  take(count: number): Buffer {
    const end = this.#offset + count;
    if (end > this.bytes.length) throw malformedAssociate('an item does not fit');
    const taken = this.bytes.subarray(this.#offset, end);
    this.#offset = end;
    return taken;
  }

  uint8(): number {
    return this.take(1).readUInt8(0);
  }

  uint16(): number {
    return this.take(2).readUInt16BE(0);
  }

  uint32(): number {
    return this.take(4).readUInt32BE(0);
  }

  /** A field of `count` bytes of the default repertoire, without its padding. */
  text(count: number): string {
    return textOf(this.take(count));
  }

  /** A value behind its own length (16 bit). */
  counted(): Buffer {
    return this.take(this.uint16());
  }

  /** The next item: type, a byte that belongs to the type, and what it holds. */
  item(): { readonly type: number; readonly value: Buffer } {
    const type = this.uint8();
    this.take(1);
    return { type, value: this.counted() };
  }

  rest(): Buffer {
    return this.take(this.bytes.length - this.#offset);
  }
}

/** UIDs are padded by nothing (PS3.8 annex F), AE titles by spaces; some peers pad both with NUL. */
export const textOf = (bytes: Buffer): string => withoutStart(withoutEnd(bytes.toString('latin1'), '\0 '), ' ');

export function malformedAssociate(why: string): ProtocolError {
  const message = `the association request or its answer cannot be read: ${why}`;
  return new ProtocolError('malformed-associate', message, AbortReason.InvalidParameterValue);
}

/** An item: type, reserved byte, length of the value (16 bit). @throws {RangeError} a value over 65,535 bytes */
export function item(type: number, ...values: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat(values);
  if (value.length > 0xffff) throw new RangeError(`an item of ${value.length} bytes, 65535 fit`);
  const bytes = Buffer.alloc(4 + value.length);
  bytes.writeUInt8(type, 0);
  bytes.writeUInt16BE(value.length, 2);
  bytes.set(value, 4);
  return bytes;
}

/** A value behind its own length (16 bit). @throws {RangeError} over 65,535 bytes */
export function counted(value: Uint8Array | string): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  if (bytes.length > 0xffff) throw new RangeError(`a field of ${bytes.length} bytes, 65535 fit`);
  return Buffer.concat([uint16(bytes.length), bytes]);
}

export function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
