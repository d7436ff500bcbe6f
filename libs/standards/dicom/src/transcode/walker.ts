import { DicomParseError } from '../errors.js';
import type { Encoding, Head } from '../parse/cursor.js';
import { fragmentHeads, insideUnknown, undefinedLengthVrs } from '../parse/head-reader.js';
import { loopTurns, stepsOfTurn } from '../parse/loop-turns.js';
import type { Tag } from '../tags.js';
import { truncated, type ByteStream } from './byte-stream.js';
import {
  headBytesMax,
  itemDelimiter,
  itemTag,
  readHead,
  readItemHead,
  sequenceDelimiter,
  undefinedLength,
} from './head.js';
import type { TranscodeLimits } from './limits.js';

export { pixelDataTags } from '../parse/head-reader.js';

export type DatasetEvent =
  /** Its value comes next: `length` bytes in `encoding`. What of it is not taken is skipped. */
  | { readonly kind: 'element'; readonly tag: Tag; readonly vr: string; readonly length: number }
  /** Encapsulated Pixel Data: its items come next. What of them is not taken is skipped. */
  | { readonly kind: 'fragments'; readonly tag: Tag }
  | { readonly kind: 'sequence'; readonly tag: Tag }
  /** `position` in the dataset names it, the same in every walk. */
  | { readonly kind: 'item'; readonly position: number }
  | { readonly kind: 'item-end' }
  | { readonly kind: 'sequence-end' };

interface Frame {
  readonly isSequence: boolean;
  /** Where it ends; infinite when a delimiter ends it. */
  readonly end: number;
  readonly encoding: Encoding;
  signed: boolean;
}

/**
 * Walks a dataset as a stream, element by element, in bounded memory: the same defects of writers are read as by
 * `parseFile`, the same limits hold. The event loop gets its turn every few thousand elements, however many are at hand.
 */
export class DatasetWalker {
  readonly #stack: Frame[];
  readonly #end: number;
  #pendingEnd = 0;
  #fragmentsPending = false;
  #count = 0;
  #steps = 0;

  /**
   * @param signed Pixel Representation of the image is 1: decides between US and SS in Implicit VR, also ahead of it
   * @param byteCount of the dataset, where it is known
   */
  constructor(
    readonly stream: ByteStream,
    readonly encoding: Encoding,
    signed: boolean,
    private readonly limits: Pick<TranscodeLimits, 'depthMax' | 'elementsMax'>,
    byteCount = Infinity,
  ) {
    this.#end = stream.position + byteCount;
    this.#stack = [{ isSequence: false, end: this.#end, encoding, signed }];
  }

  /** Sequences around the last element. */
  get depth(): number {
    return (this.#stack.length - 1) / 2;
  }

  /** How the last element is encoded. */
  get elementEncoding(): Encoding {
    return this.#top.encoding;
  }

  get #top(): Frame {
    const top = this.#stack.at(-1);
    if (!top) throw new DicomParseError('Nothing is left of the dataset');
    return top;
  }

  /** Undefined at the end. Thrown when it is no dataset, is truncated, or passes a limit: DicomParseError. */
  async next(): Promise<DatasetEvent | undefined> {
    await this.#skipPending();
    for (;;) {
      if (++this.#steps % stepsOfTurn === 0) await loopTurns.next();
      const top = this.#top;
      const { position } = this.stream;
      if (position > top.end)
        throw new DicomParseError(`An element is longer than what holds it, at byte ${String(position)}`);
      if (position === top.end && this.#stack.length > 1) return this.#leave();
      const event = top.isSequence ? await this.#nextItem(top) : await this.#nextElement(top);
      if (event === 'end') return undefined;
      if (event !== 'again') return event;
    }
  }

  /**
   * After a 'fragments' event: the length of its next item, Basic Offset Table first, whose bytes come next and are to be
   * taken by the caller; undefined at the end. Errors as `next`.
   */
  async nextFragment(): Promise<number | undefined> {
    if (++this.#steps % stepsOfTurn === 0) await loopTurns.next();
    const { tag, length } = readItemHead(await this.stream.read(8), fragmentHeads);
    if (tag === sequenceDelimiter) {
      this.#fragmentsPending = false;
      return undefined;
    }
    if (tag !== itemTag || length === undefinedLength)
      throw new DicomParseError(`Expected a fragment at byte ${String(this.stream.position - 8)}`);
    this.#counted();
    return length;
  }

  /** The items of Pixel Data after a 'fragments' event, whole. Errors as `next`. */
  async *fragments(byteCountMax: number): AsyncGenerator<Uint8Array> {
    for (let length = await this.nextFragment(); length !== undefined; length = await this.nextFragment()) {
      if (length > byteCountMax) throw new DicomParseError(`A fragment is longer than ${String(byteCountMax)} bytes`);
      yield await this.stream.read(length);
    }
  }

  /** Passes over what is left of the innermost item or sequence, whose end no event tells then. Errors as `next`. */
  async leave(): Promise<void> {
    const level = this.#stack.length;
    const { end } = this.#top;
    if (end === Infinity) {
      while (this.#stack.length >= level && (await this.next()));
      return;
    }
    await this.#skipPending();
    await this.stream.skip(Math.max(0, end - this.stream.position));
    this.#stack.pop();
  }

  /**
   * After an 'element' event of VR UN: its value is read as the sequence that somebody did not know (PS3.5 6.2.2 note 2),
   * as after a 'sequence' event. False where it is none, and nothing of it is taken.
   */
  async enterUnknown(): Promise<boolean> {
    await this.stream.fill(4);
    const [a, b, c, d] = this.stream.peek(4);
    const length = this.#pendingEnd - this.stream.position;
    if (length < 8 || a !== 0xfe || b !== 0xff || c !== 0x00 || d !== 0xe0) return false;
    const { signed } = this.#top;
    this.#stack.push({ isSequence: true, end: this.#pendingEnd, encoding: insideUnknown, signed });
    this.#pendingEnd = 0;
    return true;
  }

  async #skipPending(): Promise<void> {
    const left = this.#pendingEnd - this.stream.position;
    if (left > 0) await this.stream.skip(left);
    while (this.#fragmentsPending) {
      const length = await this.nextFragment();
      if (length !== undefined) await this.stream.skip(length);
    }
  }

  #leave(): DatasetEvent {
    const { isSequence } = this.#top;
    this.#stack.pop();
    return { kind: isSequence ? 'sequence-end' : 'item-end' };
  }

  #counted(): void {
    if (++this.#count > this.limits.elementsMax)
      throw new DicomParseError(`More than ${String(this.limits.elementsMax)} elements`);
  }

  async #nextItem(top: Frame): Promise<DatasetEvent | 'again'> {
    const { tag, length } = readItemHead(await this.stream.read(8), top.encoding);
    const { position } = this.stream;
    if (tag === sequenceDelimiter) return top.end === Infinity ? this.#leave() : 'again';
    if (tag !== itemTag) throw new DicomParseError(`Expected an item at byte ${String(position - 8)}, found ${tag}`);
    this.#counted();
    this.#stack.push({
      isSequence: false,
      end: this.#endOf(length, top),
      encoding: top.encoding,
      signed: top.signed,
    });
    return { kind: 'item', position };
  }

  #endOf(length: number, top: Frame): number {
    if (length === undefinedLength) return Infinity;
    const end = this.stream.position + length;
    if (end > top.end || end > this.#end)
      throw new DicomParseError(`An element is longer than what holds it, at byte ${String(this.stream.position)}`);
    return end;
  }

  async #nextElement(top: Frame): Promise<DatasetEvent | 'again' | 'end'> {
    const isRoot = this.#stack.length === 1;
    await this.stream.fill(headBytesMax);
    if (isRoot && this.#isOver()) return 'end';
    const head = readHead(this.stream.peek(headBytesMax), top.encoding, top.signed);
    this.stream.take(head.byteCount);
    if (head.tag === itemDelimiter && !isRoot) return top.end === Infinity ? this.#leave() : 'again';
    if (head.tag === itemDelimiter || head.tag === sequenceDelimiter)
      throw new DicomParseError(
        `A delimiter stands outside of any sequence before byte ${String(this.stream.position)}`,
      );
    this.#counted();
    return this.#event(head, top);
  }

  /** Some writers pad the end of a file with zeros. */
  #isOver(): boolean {
    const { available } = this.stream;
    return available === 0 || (available < 8 && this.stream.peek(available).every((byte) => byte === 0));
  }

  async #event({ tag, vr, length }: Head, top: Frame): Promise<DatasetEvent> {
    if (length === undefinedLength && tag === '7FE00010') {
      this.#fragmentsPending = true;
      return { kind: 'fragments', tag };
    }
    if (vr === 'SQ' || length === undefinedLength) {
      if (!undefinedLengthVrs.has(vr)) throw new DicomParseError(`${tag} (${vr}) has an undefined length`);
      return this.#enter(tag, length, vr === 'UN' ? insideUnknown : top.encoding, top);
    }
    this.#pendingEnd = this.#endOf(length, top);
    if (tag === '00280103' && length === 2) await this.#learnSign(top);
    return { kind: 'element', tag, vr, length };
  }

  #enter(tag: Tag, length: number, encoding: Encoding, top: Frame): DatasetEvent {
    if (this.depth >= this.limits.depthMax)
      throw new DicomParseError(`Sequences are nested deeper than ${String(this.limits.depthMax)}`);
    this.#stack.push({ isSequence: true, end: this.#endOf(length, top), encoding, signed: top.signed });
    return { kind: 'sequence', tag };
  }

  /** Pixel Representation is 1: two's complement (PS3.3 C.7.6.3.1). */
  async #learnSign(top: Frame): Promise<void> {
    if (!(await this.stream.fill(2))) throw truncated();
    const [first = 0, second = 0] = this.stream.peek(2);
    top.signed = (top.encoding.bigEndian ? second : first) === 1;
  }
}
