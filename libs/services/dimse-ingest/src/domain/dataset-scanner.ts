import { UnreadableDatasetError } from './errors.js';

/** The UIDs an object is known by; absent where the dataset does not state them. */
export interface DatasetUids {
  sopClassUid?: string;
  sopInstanceUid?: string;
  studyInstanceUid?: string;
  seriesInstanceUid?: string;
}

export interface Encoding {
  readonly implicitVr: boolean;
  readonly bigEndian: boolean;
}

/** Hands out the next bytes, or passes over them; `mayEnd` where a dataset may come to its end. */
type Step = { readonly take: number; readonly mayEnd?: boolean } | { readonly skip: number };
type Walk = Generator<Step, void, Buffer>;

const wanted: ReadonlyMap<number, keyof DatasetUids> = new Map([
  [0x0008_0016, 'sopClassUid'],
  [0x0008_0018, 'sopInstanceUid'],
  [0x0020_000d, 'studyInstanceUid'],
  [0x0020_000e, 'seriesInstanceUid'],
]);
const longVrs = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);
const undefinedLength = 0xffff_ffff;
const itemTag = 0xfffe_e000;
const itemDelimiter = 0xfffe_e00d;
const sequenceDelimiter = 0xfffe_e0dd;
/** SR trees and enhanced multi-frame stay below 20. */
const depthMax = 64;
/** A UID has at most 64 characters (PS3.5 section 9.1); longer values are somebody's mistake, refused later. */
const uidBytesMax = 128;

/**
 * Reads a dataset while it streams by (PS3.5 section 7): finds its UIDs and sees whether every element is whole, to
 * the last fragment of its pixels, holding a few bytes at a time. An object cut off inside Pixel Data looks whole to
 * a reader of headers; here it does not.
 */
export class DatasetScanner {
  readonly uids: DatasetUids = {};
  readonly #walk: Walk;
  #step: Step | undefined;
  #held: Buffer = Buffer.alloc(0);
  #skipBytes = 0;

  constructor(encoding: Encoding) {
    this.#walk = this.#dataset(encoding);
    this.#advance();
  }

  /** @throws {UnreadableDatasetError} */
  write(chunk: Uint8Array): void {
    let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#held.length > 0) {
      bytes = Buffer.concat([this.#held, bytes]);
      this.#held = Buffer.alloc(0);
    }
    let offset = 0;
    while (this.#step) {
      const skipped = Math.min(this.#skipBytes, bytes.length - offset);
      this.#skipBytes -= skipped;
      offset += skipped;
      if (this.#skipBytes > 0) return;
      if ('skip' in this.#step) this.#advance();
      else if (bytes.length - offset >= this.#step.take) {
        const end = offset + this.#step.take;
        this.#advance(bytes.subarray(offset, end));
        offset = end;
      } else break;
    }
    this.#held = Buffer.from(bytes.subarray(offset));
  }

  /** @throws {UnreadableDatasetError} the dataset stops inside an element */
  end(): void {
    const step = this.#step;
    const whole = step && 'take' in step && step.mayEnd === true && this.#held.length === 0 && this.#skipBytes === 0;
    if (!whole) throw new UnreadableDatasetError('the dataset ends inside an element');
  }

  #advance(bytes: Buffer = Buffer.alloc(0)): void {
    const { value, done } = this.#walk.next(bytes);
    this.#step = done ? undefined : value;
    if (this.#step && 'skip' in this.#step) this.#skipBytes = this.#step.skip;
  }

  *#dataset(stated: Encoding): Walk {
    const first = yield { take: 8 };
    yield* elements(actualEncoding(first, stated), 0, first, (tag, value) => {
      const name = wanted.get(tag);
      if (name !== undefined) this.uids[name] = value.toString('latin1').replace(/[\0 ]+$/, '');
    });
  }
}

/** Some senders state explicit VR and send implicit, or the reverse; the first element tells. */
function actualEncoding(first: Buffer, stated: Encoding): Encoding {
  if (stated.bigEndian) return stated;
  return { implicitVr: !/^[A-Z]{2}$/.test(first.toString('latin1', 4, 6)), bigEndian: false };
}

type Found = (tag: number, value: Buffer) => void;

/** Elements up to the end of the dataset (depth 0) or the delimiter of their item. */
function* elements(encoding: Encoding, depth: number, given: Buffer | undefined, found?: Found): Walk {
  if (depth > depthMax) throw new UnreadableDatasetError(`sequences are nested deeper than ${depthMax}`);
  let head = given;
  for (;;) {
    head ??= yield { take: 8, mayEnd: depth === 0 };
    const tag = tagAt(head, 0, encoding);
    if (tag === itemDelimiter && depth > 0) return;
    if (tag >>> 16 === 0xfffe) throw new UnreadableDatasetError('an item stands outside a sequence');
    const { length, implicitInside } = yield* lengthOf(head, encoding);
    head = undefined;
    if (length === undefinedLength)
      yield* sequence(implicitInside ? { implicitVr: true, bigEndian: encoding.bigEndian } : encoding, depth + 1);
    else if (found && wanted.has(tag) && length <= uidBytesMax) found(tag, yield { take: length });
    else yield { skip: length };
  }
}

/** Value length of an element; a UN of undefined length holds implicit VR (PS3.5 section 6.2.2). */
function* lengthOf(
  head: Buffer,
  encoding: Encoding,
): Generator<Step, { length: number; implicitInside: boolean }, Buffer> {
  if (encoding.implicitVr) return { length: uint32(head, 4, encoding), implicitInside: false };
  const vr = head.toString('latin1', 4, 6);
  if (!/^[A-Z]{2}$/.test(vr)) throw new UnreadableDatasetError('an element has no value representation');
  if (!longVrs.has(vr))
    return { length: encoding.bigEndian ? head.readUInt16BE(6) : head.readUInt16LE(6), implicitInside: false };
  return { length: uint32(yield { take: 4 }, 0, encoding), implicitInside: vr === 'UN' };
}

/** Items of a sequence, or fragments of encapsulated pixels, of undefined length: up to their delimiter. */
function* sequence(encoding: Encoding, depth: number): Walk {
  for (;;) {
    const head = yield { take: 8 };
    const tag = tagAt(head, 0, encoding);
    const length = uint32(head, 4, encoding);
    if (tag === sequenceDelimiter) return;
    if (tag !== itemTag) throw new UnreadableDatasetError('a sequence holds something that is no item');
    if (length === undefinedLength) yield* elements(encoding, depth, undefined);
    else yield { skip: length };
  }
}

function tagAt(bytes: Buffer, offset: number, { bigEndian }: Encoding): number {
  const [group, element] = bigEndian
    ? [bytes.readUInt16BE(offset), bytes.readUInt16BE(offset + 2)]
    : [bytes.readUInt16LE(offset), bytes.readUInt16LE(offset + 2)];
  return group * 0x1_0000 + element;
}

const uint32 = (bytes: Buffer, offset: number, { bigEndian }: Encoding): number =>
  bigEndian ? bytes.readUInt32BE(offset) : bytes.readUInt32LE(offset);
