import { BadRequestError, TooLargeError } from './errors/door.js';

export interface JsonLimits {
  /** Of all text. */
  readonly bytesMax: number;
  /** Objects and arrays in each other. */
  readonly depthMax: number;
  /** Values and members of one dataset: what each costs in memory is many times its text. */
  readonly valuesMax: number;
}

/** `"["`, `","` and the like as bytes of UTF-8: none of them is part of another character. */
const [quote, comma, openArray, backslash, closeArray, openObject, closeObject] = [
  0x22, 0x2c, 0x5b, 0x5c, 0x5d, 0x7b, 0x7d,
] as const;
const blanks: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);
const byteOrderMark = [0xef, 0xbb, 0xbf];

/** Text of a dataset, or a piece of it. */
export interface DatasetPiece {
  /** Of the chunk itself: to be copied by who keeps it. */
  readonly bytes: Uint8Array;
  /** True where the dataset ends with it. */
  readonly isLast: boolean;
}

/**
 * Cuts the text of an array of datasets (PS3.18 F.2) into the texts of the datasets while it streams in, so that one
 * dataset at a time is held as objects. A single dataset without an array is taken as an array of one. What is inside a
 * dataset is only counted: whether it is JSON at all is seen by who parses it. Nothing is held here.
 */
export class JsonDatasetSplitter {
  #state: 'before' | 'first' | 'next' | 'inside' | 'behind' | 'after' = 'before';
  /** Of the dataset that is being read. */
  #depth = 0;
  #values = 0;
  #inString = false;
  #escaped = false;
  #isArray = false;
  #received = 0;

  constructor(private readonly limits: JsonLimits) {}

  /** @throws {BadRequestError} {TooLargeError} */
  *push(chunk: Uint8Array): Generator<DatasetPiece> {
    const before = this.#received;
    this.#received += chunk.length;
    if (this.#received > this.limits.bytesMax)
      throw new TooLargeError(`the metadata is larger than ${this.limits.bytesMax} bytes`);
    for (let at = 0; at < chunk.length;) {
      if (this.#state === 'inside') {
        const end = this.#endOf(chunk, at);
        const bytes = chunk.subarray(at, end);
        at += bytes.length;
        if (end !== undefined) this.#state = this.#isArray ? 'behind' : 'after';
        yield { bytes, isLast: end !== undefined };
      } else if (this.#begins(chunk[at] ?? 0, before + at)) {
        this.#depth = 0;
        this.#values = 0;
        this.#state = 'inside';
      } else at++;
    }
  }

  /** @throws {BadRequestError} when the text ends before the array does */
  end(): void {
    if (this.#state !== 'after') throw new BadRequestError('the metadata is cut off');
  }

  /** True where a dataset begins: at this very byte. */
  #begins(byte: number, at: number): boolean {
    if (blanks.has(byte) || (this.#state === 'before' && byte === byteOrderMark[at])) return false;
    const { wanted, next } = this.#expected(byte);
    if (!wanted) throw new BadRequestError('the metadata is no array of datasets (PS3.18 F.2)');
    if (byte === openObject) return true;
    if (byte === openArray) this.#isArray = true;
    this.#state = next;
    return false;
  }

  #expected(byte: number): { wanted: boolean; next: 'first' | 'next' | 'after' } {
    switch (this.#state) {
      case 'before':
        return { wanted: byte === openArray || byte === openObject, next: 'first' };
      case 'first':
        return { wanted: byte === openObject || byte === closeArray, next: 'after' };
      case 'next':
        return { wanted: byte === openObject, next: 'next' };
      case 'behind':
        return { wanted: byte === comma || byte === closeArray, next: byte === comma ? 'next' : 'after' };
      default:
        return { wanted: false, next: 'after' };
    }
  }

  /** Behind the brace that closes the dataset; undefined when that is not in this chunk. */
  #endOf(chunk: Uint8Array, from: number): number | undefined {
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at];
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === backslash) this.#escaped = true;
        else if (byte === quote) this.#inString = false;
      } else if (byte === quote) this.#inString = true;
      else if (byte === comma) this.#count();
      else if (byte === openObject || byte === openArray) {
        this.#count();
        if (++this.#depth > this.limits.depthMax) throw new BadRequestError('the metadata is nested too deep');
      } else if ((byte === closeObject || byte === closeArray) && --this.#depth === 0) return at + 1;
    }
    return undefined;
  }

  #count(): void {
    if (++this.#values > this.limits.valuesMax)
      throw new TooLargeError('a dataset of the metadata has too many values');
  }
}
