import {
  actualEncoding,
  defaultParseLimits,
  type Encoding,
  fragmentHeads,
  headBytesMax,
  HeadReader,
  insideUnknown,
  itemDelimiter,
  itemTag,
  pixelDataTags,
  sequenceDelimiter,
  undefinedLength,
  undefinedLengthVrs,
} from '@callosum/dicom';

import { UnreadableDatasetError } from './errors.js';

/** The UIDs an object is known by; absent where the dataset does not state them. */
export interface DatasetUids {
  sopClassUid?: string;
  sopInstanceUid?: string;
  studyInstanceUid?: string;
  seriesInstanceUid?: string;
}

const wanted: ReadonlyMap<string, keyof DatasetUids> = new Map([
  ['00080016', 'sopClassUid'],
  ['00080018', 'sopInstanceUid'],
  ['0020000D', 'studyInstanceUid'],
  ['0020000E', 'seriesInstanceUid'],
]);
/** A UID has at most 64 characters (PS3.5 section 9.1); longer values are somebody's mistake, refused later. */
const uidBytesMax = 128;
const nothing = Buffer.alloc(0);

/** What of its bytes is looked at together, at most. */
const lookAheadBytes = headBytesMax + uidBytesMax;
const headBytesMin = 8;

/** What is open: the dataset or an item of undefined length, a sequence of undefined length, encapsulated pixels. */
interface Level {
  readonly kind: 'elements' | 'items' | 'fragments';
  readonly encoding: Encoding;
}

export type ScanLimits = Pick<typeof defaultParseLimits, 'depthMax' | 'elementsMax' | 'fragmentsMax'>;

/**
 * Reads a dataset while it streams by (PS3.5 section 7): finds its UIDs and sees whether every element is whole, to
 * the last fragment of its pixels, holding a few bytes at a time. An object cut off inside Pixel Data looks whole to
 * a reader of headers; here it does not. Heads are read as every other reader does it, so the defects of writers that
 * these live with are none here, and behind Pixel Data nothing is a defect: what came before it is whole.
 *
 * What has a defined length is passed over, sequences too: what is inside is for the reader of headers to judge.
 */
export class DatasetScanner {
  readonly uids: DatasetUids = {};
  readonly #levels: Level[] = [];
  /** What was not enough to go on with. */
  #held: Buffer = nothing;
  #skipBytes = 0;
  #elements = 0;
  #fragments = 0;
  #pixels: 'none' | 'coming' | 'whole' = 'none';
  /** Bytes behind Pixel Data that are no elements: passed over. */
  #isRubbish = false;

  constructor(
    private readonly stated: Encoding,
    private readonly limits: ScanLimits = defaultParseLimits,
  ) {}

  /** Elements, items and fragments so far: what the scan costs. */
  get steps(): number {
    return this.#elements + this.#fragments;
  }

  /** @throws {UnreadableDatasetError} */
  write(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let at = 0;
    if (this.#held.length > 0) {
      // What lies in two chunks. All of a small chunk is in there.
      const joined = Buffer.concat([this.#held, bytes.subarray(0, lookAheadBytes)]);
      const used = this.#scan(joined, 0, headBytesMax);
      if (used < this.#held.length) {
        this.#held = joined.subarray(used);
        return;
      }
      at = used - this.#held.length;
      this.#held = nothing;
    }
    at = this.#scan(bytes, at, headBytesMax);
    if (at < bytes.length) this.#held = Buffer.from(bytes.subarray(at));
  }

  /** @throws {UnreadableDatasetError} the dataset stops inside an element */
  end(): void {
    const left = this.#held.subarray(this.#scan(this.#held, 0, headBytesMin));
    if (this.#skipBytes === 0) this.#pixelsMayBeWhole();
    if (this.#pixels === 'whole') return;
    // Some writers pad the end with zeros.
    const isPadding = left.length < headBytesMin && left.every((byte) => byte === 0);
    if (this.#skipBytes > 0 || this.#levels.length !== 1 || this.#elements === 0 || !isPadding)
      throw new UnreadableDatasetError('the dataset ends inside an element');
  }

  /**
   * @param headBytes so many are there for a head, or it is not looked at yet
   * @returns where it goes on
   */
  #scan(bytes: Buffer, from: number, headBytes: number): number {
    const skipped = Math.min(this.#skipBytes, bytes.length - from);
    this.#skipBytes -= skipped;
    if (this.#isRubbish) return bytes.length;
    if (bytes.length - from - skipped < headBytes) return from + skipped;
    const heads = new HeadReader(bytes, from + skipped);
    try {
      while (heads.available >= headBytes) {
        const start = heads.position;
        if (!this.#step(heads)) return start;
        const passed = Math.min(this.#skipBytes, heads.available);
        this.#skipBytes -= passed;
        heads.position += passed;
      }
      return heads.position;
    } catch (error) {
      if (this.#pixels !== 'whole') throw error;
      this.#isRubbish = true;
      this.#skipBytes = 0;
      return bytes.length;
    }
  }

  /** One head, and the value of a UID; false when there is not enough. */
  #step(heads: HeadReader): boolean {
    if (this.#levels.length === 0) {
      const first = heads.peek(headBytesMin);
      this.#levels.push({ kind: 'elements', encoding: actualEncoding(first, 0, this.stated) });
    }
    this.#pixelsMayBeWhole();
    const level = this.#levels.at(-1);
    if (level?.kind === 'fragments') return this.#fragment(heads);
    if (level?.kind === 'items') return this.#item(heads, level);
    return level !== undefined && this.#element(heads, level);
  }

  /** To be asked where nothing is left to pass over. */
  #pixelsMayBeWhole(): void {
    if (this.#pixels === 'coming' && this.#levels.length === 1) this.#pixels = 'whole';
  }

  #element(heads: HeadReader, { encoding }: Level): boolean {
    const head = heads.element(encoding);
    if (!head) return false;
    const { tag, length } = head;
    const isTop = this.#levels.length === 1;
    if (tag === itemDelimiter && !isTop) return this.#leave();
    if (tag === itemDelimiter || tag === sequenceDelimiter)
      throw new UnreadableDatasetError('a delimiter stands outside of any sequence');
    const name = isTop ? wanted.get(tag) : undefined;
    if (name !== undefined && length <= uidBytesMax) {
      if (heads.available < length) return false;
      // The first of repeated elements counts, as PS3.5 section 7.1 allows each tag once.
      this.uids[name] ??= Buffer.from(heads.peek(length))
        .toString('latin1')
        .replace(/[\0 ]+$/, '');
    }
    this.#count();
    const isPixels = isTop && pixelDataTags.has(tag);
    if (isPixels && this.#pixels === 'none') this.#pixels = 'coming';
    if (length !== undefinedLength) return this.#pass(length);
    if (isPixels || tag === '7FE00010') return this.#enter('fragments', fragmentHeads);
    if (!undefinedLengthVrs.has(head.vr)) throw new UnreadableDatasetError('an element has an undefined length');
    return this.#enter('items', head.vr === 'UN' ? insideUnknown : encoding);
  }

  #item(heads: HeadReader, { encoding }: Level): boolean {
    const head = heads.item(encoding);
    if (!head) return false;
    if (head.tag === sequenceDelimiter) return this.#leave();
    if (head.tag !== itemTag) throw new UnreadableDatasetError('a sequence holds something that is no item');
    this.#count();
    if (head.length !== undefinedLength) return this.#pass(head.length);
    // Each sequence around is two levels.
    if (this.#levels.length / 2 > this.limits.depthMax)
      throw new UnreadableDatasetError(`sequences are nested deeper than ${this.limits.depthMax}`);
    return this.#enter('elements', encoding);
  }

  #fragment(heads: HeadReader): boolean {
    const head = heads.item(fragmentHeads);
    if (!head) return false;
    if (head.tag === sequenceDelimiter) return this.#leave();
    if (head.tag !== itemTag || head.length === undefinedLength)
      throw new UnreadableDatasetError('Pixel Data holds something that is no fragment');
    if (++this.#fragments > this.limits.fragmentsMax)
      throw new UnreadableDatasetError(`there are more than ${this.limits.fragmentsMax} fragments`);
    return this.#pass(head.length);
  }

  #count(): void {
    if (++this.#elements > this.limits.elementsMax)
      throw new UnreadableDatasetError(`there are more than ${this.limits.elementsMax} elements`);
  }

  #pass(byteCount: number): true {
    this.#skipBytes = byteCount;
    return true;
  }

  #enter(kind: Level['kind'], encoding: Encoding): true {
    this.#levels.push({ kind, encoding });
    return true;
  }

  #leave(): true {
    this.#levels.pop();
    return true;
  }
}
