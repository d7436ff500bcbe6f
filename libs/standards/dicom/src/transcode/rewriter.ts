import { DicomParseError, DicomTranscodeError } from '../errors.js';
import { toLittleEndian } from '../parse/byte-order.js';
import type { Encoding } from '../parse/cursor.js';
import type { Tag } from '../tags.js';
import { textVrs } from '../vr.js';
import type { ObjectFacts } from './facts.js';
import { valuePieces } from './frames.js';
import {
  explicitVr,
  itemDelimiter,
  itemTag,
  sequenceDelimiter,
  undefinedLength,
  writeHead,
  writeItemHead,
} from './head.js';
import type { TranscodeLimits } from './limits.js';
import { Output } from './output.js';
import { encodedPixels, nativePixels, type PixelWork } from './pixel-data.js';
import type { ChangedValue, Changes, Plan } from './plan.js';
import type { OpenDataset } from './source.js';
import { DatasetWalker, pixelDataTags, type DatasetEvent } from './walker.js';

/** The pixels of an icon in place of its fragments. */
export interface DecodedIcon {
  readonly vr: string;
  /** Little-endian. */
  readonly value: Uint8Array;
  readonly changes: Changes;
}

interface Level {
  /** Position of its item; undefined of the dataset itself. */
  readonly item: number | undefined;
  lastTag: Tag;
}

type ElementEvent = Extract<DatasetEvent, { kind: 'element' }>;

/** Smaller values are read whole, larger ones in pieces. */
const wholeValueBytes = 64 * 1024;
const noChanges: Changes = new Map();

/** Writes a dataset in another transfer syntax while it is read. */
export class DatasetRewriter {
  readonly #walker: DatasetWalker;
  readonly #target: Encoding;
  readonly #levels: Level[] = [{ item: undefined, lastTag: '' }];
  /** Not written yet, by tag. */
  readonly #inserts: [Tag, ChangedValue][];
  /** After Pixel Data: held until the element proves to be one. */
  #tail: Output | undefined;
  readonly #out = new Output();
  /** Sequences begun and not ended. */
  #sequences = 0;

  constructor(
    private readonly opened: OpenDataset,
    private readonly facts: ObjectFacts,
    private readonly plan: Plan,
    private readonly icons: ReadonlyMap<number, DecodedIcon>,
    private readonly limits: TranscodeLimits,
    private readonly signal: AbortSignal | undefined,
    private readonly onFrame: (() => void) | undefined,
  ) {
    this.#walker = new DatasetWalker(opened.stream, opened.encoding, facts.signed, limits);
    this.#target = { implicitVr: plan.to.implicitVr, bigEndian: plan.to.bigEndian };
    this.#inserts = [...plan.changes]
      .filter((change): change is [Tag, ChangedValue] => change[1] !== 'drop' && change[1].insert === true)
      .sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** The dataset's bytes, not deflated yet. Errors as those of `Transcoding.dataset`. */
  async *run(): AsyncGenerator<Uint8Array> {
    try {
      for (let event = await this.#next(); event; event = await this.#next()) {
        if (event.kind === 'element') yield* this.#element(event);
        else if (event.kind === 'fragments') yield* this.#fragments(event.tag);
        else this.#structure(event);
        yield* this.#out.take();
      }
    } catch (error) {
      // Rubbish after the pixels takes nothing from the image, as for the parser: what came before it is whole.
      if (!this.#tail || !(error instanceof DicomParseError)) throw error;
    }
    yield* this.#out.end();
  }

  async #next(): Promise<DatasetEvent | undefined> {
    const event = await this.#walker.next();
    if (!this.#tail || this.#sequences > 0) return event;
    for (const chunk of this.#tail.end()) this.#out.put(chunk);
    this.#tail = new Output();
    return event;
  }

  #put(bytes: Uint8Array): void {
    (this.#tail ?? this.#out).put(bytes);
    if (this.#tail && this.#tail.byteCount > this.limits.tailBytesMax)
      throw new DicomTranscodeError('too-large', 'What follows Pixel Data is larger than any such element');
  }

  get #level(): Level {
    return this.#levels.at(-1) ?? { item: undefined, lastTag: '' };
  }

  get #changes(): Changes {
    const { item } = this.#level;
    return item === undefined ? this.plan.changes : (this.icons.get(item)?.changes ?? noChanges);
  }

  #structure(event: Exclude<DatasetEvent, { kind: 'element' | 'fragments' }>): void {
    const { bigEndian } = this.#target;
    switch (event.kind) {
      case 'sequence':
        this.#sequences++;
        this.#insertBefore(event.tag);
        this.#level.lastTag = event.tag;
        this.#put(writeHead(event.tag, 'SQ', undefinedLength, this.#target));
        return;
      case 'item':
        this.#levels.push({ item: event.position, lastTag: '' });
        this.#put(writeItemHead(itemTag, undefinedLength, bigEndian));
        return;
      case 'item-end':
        this.#levels.pop();
        this.#put(writeItemHead(itemDelimiter, 0, bigEndian));
        return;
      case 'sequence-end':
        this.#sequences--;
        this.#put(writeItemHead(sequenceDelimiter, 0, bigEndian));
    }
  }

  /** Attributes the object lacks, in their place among those it has. */
  #insertBefore(tag: Tag): void {
    if (this.#levels.length > 1) return;
    for (let [next] = this.#inserts; next && next[0] <= tag; [next] = this.#inserts) {
      this.#inserts.shift();
      this.#writeValue(next[0], next[1].vr, next[1].value);
    }
  }

  async *#element({ tag, vr, length }: ElementEvent): AsyncGenerator<Uint8Array> {
    const level = this.#level;
    const isTop = this.#levels.length === 1;
    // Group lengths are retired and would be wrong, and so would padding; the first of repeated elements counts.
    if (tag.endsWith('0000') || (isTop && tag === 'FFFCFFFC') || tag === level.lastTag) return;
    level.lastTag = tag;
    this.#insertBefore(tag);
    const change = this.#changes.get(tag);
    if (change === 'drop' || change?.insert === true) return;
    if (change) {
      this.#writeValue(tag, change.vr, change.value);
      return;
    }
    if (isTop && pixelDataTags.has(tag) && length > 0) {
      yield* this.#nativePixels(tag, vr, length);
      this.#tail = new Output();
      return;
    }
    yield* this.#copyValue(tag, vr, length);
  }

  async *#nativePixels(tag: Tag, vr: string, length: number): AsyncGenerator<Uint8Array> {
    if (this.plan.pixels === 'copy') {
      yield* this.#copyValue(tag, this.#pixelVr(tag, vr), length);
      return;
    }
    const swap = this.#walker.elementEncoding.bigEndian;
    yield* this.#pixelChunks(tag, encodedPixels(this.#pixelWork(), { length, vr, swap }));
  }

  /** PS3.5 A.2: OW where a sample has more than eight bits; Implicit VR has no other and says nothing about bytes. */
  #pixelVr(tag: Tag, vr: string): string {
    if (tag !== '7FE00010') return vr;
    if ((this.facts.pixels?.bitsAllocated ?? 16) > 8) return 'OW';
    return this.#walker.elementEncoding.implicitVr ? 'OB' : vr;
  }

  async *#fragments(tag: Tag): AsyncGenerator<Uint8Array> {
    this.#insertBefore(tag);
    this.#level.lastTag = tag;
    const { item } = this.#level;
    const icon = item === undefined ? undefined : this.icons.get(item);
    if (icon) {
      this.#writeValue(tag, icon.vr, icon.value);
      return;
    }
    if (this.plan.pixels === 'copy' || item !== undefined) yield* this.#copyFragments(tag);
    else if (this.plan.pixels === 'decode') yield* this.#pixelChunks(tag, nativePixels(this.#pixelWork()));
    else yield* this.#pixelChunks(tag, encodedPixels(this.#pixelWork()));
    if (item === undefined) this.#tail = new Output();
  }

  async *#pixelChunks(tag: Tag, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const { image } = this.#pixelWork();
    const vr = image.bitsAllocated > 8 && this.plan.pixels === 'decode' ? 'OW' : 'OB';
    let length = undefinedLength;
    if (this.plan.pixels === 'decode') {
      const bits = image.rows * image.columns * image.samplesPerPixel * image.bitsAllocated * image.frames;
      length = Math.ceil(bits / 16) * 2;
    }
    this.#put(writeHead(tag, vr, length, this.#target));
    for await (const chunk of chunks) {
      this.#put(this.#target.bigEndian ? toLittleEndian(vr, chunk) : chunk);
      yield* this.#out.take();
    }
  }

  #pixelWork(): PixelWork {
    const { image, frames: pixels } = this.plan;
    const { transferSyntax } = this.facts;
    if (!image || !pixels) throw new DicomParseError('The object changed while it was read');
    const { plan, limits, signal, onFrame } = this;
    const [fromUid, toUid] = [transferSyntax.uid, plan.to.uid];
    return { walker: this.#walker, pixels, image, fromUid, toUid, limits, signal, onFrame };
  }

  async *#copyFragments(tag: Tag): AsyncGenerator<Uint8Array> {
    const { stream } = this.opened;
    this.#put(writeHead(tag, 'OB', undefinedLength, this.#target));
    for (;;) {
      const length = await this.#walker.nextFragment();
      if (length === undefined) break;
      this.#put(writeItemHead(itemTag, length, false));
      for await (const piece of valuePieces(stream, length, 'OB', false)) {
        this.#put(piece);
        yield* this.#out.take();
      }
    }
    this.#put(writeItemHead(sequenceDelimiter, 0, false));
  }

  async *#copyValue(tag: Tag, knownVr: string, length: number): AsyncGenerator<Uint8Array> {
    const { stream } = this.opened;
    const swap = this.#walker.elementEncoding.bigEndian !== this.#target.bigEndian;
    const isOdd = length % 2 === 1;
    const evenLength = isOdd ? length + 1 : length;
    const vr = explicitVr(knownVr, evenLength);
    this.#put(writeHead(tag, vr, evenLength, this.#target));
    if (length <= wholeValueBytes) {
      const value = await stream.read(length);
      this.#put(swap ? toLittleEndian(vr, value) : value);
    } else {
      for await (const piece of valuePieces(stream, length, vr, swap)) {
        this.#put(piece);
        yield* this.#out.take();
      }
    }
    // PS3.5 6.2: text is padded with a space, the rest and UI with zero.
    if (isOdd) this.#put(Uint8Array.of(textVrs.has(vr) && vr !== 'UI' ? 0x20 : 0));
  }

  /** @param value little-endian */
  #writeValue(tag: Tag, vr: string, value: Uint8Array): void {
    const isOdd = value.length % 2 === 1;
    this.#put(writeHead(tag, vr, isOdd ? value.length + 1 : value.length, this.#target));
    this.#put(this.#target.bigEndian ? toLittleEndian(vr, value) : value);
    if (isOdd) this.#put(Uint8Array.of(0));
  }
}
