import { DicomDataset, type DicomElement } from '../dataset.js';
import { DicomParseError } from '../errors.js';
import type { Tag } from '../tags.js';
import { undefinedLength, writeHead } from '../transcode/head.js';
import { pixelDataTags, type DatasetEvent, type DatasetWalker } from '../transcode/walker.js';
import { bulkVrs } from '../vr.js';
import { toLittleEndian } from './byte-order.js';
import { headerMemory, parsedElementsMax, type ParseLimits } from './limits.js';
import type { ParsedHeader } from './parse.js';
import { ElementReader } from './reader.js';

/** A longer value is left where it is: nobody searches for it, and whoever wants it asks for it. */
const heldValueBytesMax = 64 * 1024;
/** Where much is held already, this is the longest that is: an identifier is no longer. */
const shortValueBytesMax = 128;
/** A sequence of unknown VR is held to be read. */
const unknownSequenceBytesMax = 1024 * 1024;
/** Extended Offset Table and its lengths (PS3.3 C.7.6.3.1.8): frames are found by them, eight bytes each. */
const offsetTables: ReadonlySet<Tag> = new Set(['7FE00001', '7FE00002']);
const explicit = { implicitVr: false, bigEndian: false };
const empty = new Uint8Array(0);

type ElementEvent = Extract<DatasetEvent, { kind: 'element' }>;
type Held = 'left' | 'value' | 'unknown';

/** Ends the reading of a sequence that is left out; never leaves this file. */
class TooMuchOfSequence extends Error {}

/**
 * Builds what stands before Pixel Data from a walk over it. Long values are left where they are, and so is a sequence
 * whose elements would take more than `headerMemory` has for it: the functional groups of a slide image.
 */
export class HeaderBody {
  #topBytes = 0;
  #sequenceBytes = 0;
  pixelData: ParsedHeader['pixelData'];

  /**
   * @param offset of the walk's first byte in the file, or 0 in an inflated dataset
   * @param only these elements of the top level are kept; all where it is not given. What is refused is the same.
   */
  constructor(
    private readonly walker: DatasetWalker,
    private readonly offset: number,
    private readonly limits: ParseLimits,
    private readonly only?: ReadonlySet<Tag>,
  ) {}

  /**
   * All of it, to its end or top-level Pixel Data.
   * Thrown when it is no dataset, is truncated or passes a limit: DicomParseError.
   */
  dataset(): Promise<DicomDataset> {
    return this.#dataset('', 0);
  }

  /**
   * Items of the sequence of the top level that the walk has just entered. Others are passed over, and what is behind the
   * last of them is not looked at.
   * @param numbers from 0
   * Thrown when one of them takes more than `headerMemory` has for all sequences: DicomParseError. Errors as `dataset`.
   */
  async *items(
    numbers: ReadonlySet<number>,
    characterSet: string,
  ): AsyncGenerator<readonly [number: number, item: DicomDataset]> {
    const last = Math.max(...numbers);
    for (let number = 0; number <= last; number++) {
      const event = await this.walker.next();
      if (event?.kind !== 'item') return;
      if (numbers.has(number)) yield [number, await this.#item(characterSet)];
      else await this.walker.leave();
    }
  }

  /**
   * The element whose event has just come, of a walk of which nobody keeps more than that.
   * @param depth of the dataset that it is in; 0 is the top level
   * Errors as `dataset`.
   */
  async one(event: DatasetEvent, characterSet: string, depth: number): Promise<DicomElement | undefined> {
    this.#topBytes = 0;
    this.#sequenceBytes = 0;
    // Nobody looks frames up here: offset tables are left where they are, as other long values.
    if (event.kind === 'element' && offsetTables.has(event.tag) && event.length > heldValueBytesMax)
      return this.#left(event.tag, event.vr, event.length, depth);
    return this.#element(event, characterSet, depth);
  }

  async #item(characterSet: string): Promise<DicomDataset> {
    // Whoever takes it has let go of the one before, or counts it.
    this.#sequenceBytes = 0;
    try {
      return await this.#dataset(characterSet, 1);
    } catch (error) {
      throw error instanceof TooMuchOfSequence ? new DicomParseError('An item has too many elements') : error;
    }
  }

  async #dataset(inheritedCharacterSet: string, depth: number): Promise<DicomDataset> {
    const elements = new Map<Tag, DicomElement>();
    let characterSet = inheritedCharacterSet;
    let ascending = true;
    let lastTag = '';
    for (;;) {
      const event = await this.walker.next();
      if (!event || event.kind === 'item-end') break;
      const element = await this.#element(event, characterSet, depth);
      if (!element) continue;
      if (element.tag <= lastTag) ascending = false;
      lastTag = element.tag;
      // The first of repeated elements counts: PS3.5 7.1 allows each tag once.
      if (!elements.has(element.tag)) elements.set(element.tag, element);
      if (element.tag === '00080005') characterSet = new DicomDataset(elements, '').strings('00080005').join('\\');
      if (depth === 0 && this.pixelData) break;
    }
    const sorted = ascending ? elements : new Map([...elements].sort(([a], [b]) => (a < b ? -1 : 1)));
    return new DicomDataset(sorted, characterSet);
  }

  get #at(): number {
    return this.offset + this.walker.stream.position;
  }

  /** Undefined for what is not kept. */
  async #element(event: DatasetEvent, characterSet: string, depth: number): Promise<DicomElement | undefined> {
    const offset = this.#at;
    switch (event.kind) {
      case 'sequence':
        return depth === 0
          ? this.#topSequence(event.tag, offset, characterSet)
          : this.#sequence(event.tag, offset, characterSet, depth);
      case 'fragments':
        return this.#left(event.tag, 'OB', undefinedLength, depth);
      case 'element':
        return this.#read(event, characterSet, depth);
      default:
        throw new DicomParseError(`Expected an element before byte ${String(offset)}`);
    }
  }

  async #topSequence(tag: Tag, offset: number, characterSet: string): Promise<DicomElement | undefined> {
    this.#hold(headerMemory.element, 0);
    const before = this.#sequenceBytes;
    try {
      if (this.#isKept(tag, 0)) return await this.#sequence(tag, offset, characterSet, 0);
    } catch (error) {
      if (!(error instanceof TooMuchOfSequence)) throw error;
      this.#sequenceBytes = before;
    }
    // Walked to its end all the same: what it holds may be broken.
    for (let event = await this.walker.next(); event; event = await this.walker.next())
      if (event.kind === 'sequence-end' && this.walker.depth === 0) break;
    if (!this.#isKept(tag, 0)) return undefined;
    return { tag, vr: 'SQ', value: empty, range: { offset, byteCount: this.#at - offset }, notLoaded: true };
  }

  async #sequence(tag: Tag, offset: number, characterSet: string, depth: number): Promise<DicomElement> {
    const items: DicomDataset[] = [];
    if (depth > 0) this.#hold(headerMemory.element, depth);
    for (let event = await this.walker.next(); event?.kind === 'item'; event = await this.walker.next()) {
      this.#hold(headerMemory.element, depth + 1);
      items.push(await this.#dataset(characterSet, depth + 1));
    }
    return { tag, vr: 'SQ', value: empty, range: { offset, byteCount: this.#at - offset }, items };
  }

  async #read(event: ElementEvent, characterSet: string, depth: number): Promise<DicomElement | undefined> {
    const { tag, vr, length } = event;
    const held = await this.#heldOf(event, depth);
    if (held === 'left') return this.#left(tag, vr, length, depth);
    this.#hold(headerMemory.element + this.#valueBytes(event, held, depth), depth);
    if (!this.#isKept(tag, depth)) return undefined;
    const range = { offset: this.#at, byteCount: length };
    const { bigEndian } = this.walker.elementEncoding;
    const value = await this.#value(length);
    if (vr === 'UN') return { ...this.#unknown(tag, value, characterSet), range };
    return { tag, vr, value: bigEndian ? toLittleEndian(vr, value) : value, range };
  }

  async #heldOf(event: ElementEvent, depth: number): Promise<Held> {
    const { tag, vr, length } = event;
    if (depth === 0 && pixelDataTags.has(tag)) return 'left';
    if (depth === 0 && offsetTables.has(tag)) {
      if (length > this.limits.fragmentsMax * 8) throw new DicomParseError(`${tag} is of too many frames`);
      return 'value';
    }
    const held = vr === 'UN' && (await this.#isSequence(length)) ? 'unknown' : 'value';
    if (length > (held === 'unknown' ? unknownSequenceBytesMax : heldValueBytesMax)) return 'left';
    const isShort = depth > 0 || length <= shortValueBytesMax;
    const after = this.#topBytes + this.#valueBytes(event, held, depth);
    return isShort || after <= headerMemory.topMax / 2 ? held : 'left';
  }

  /** A sequence that somebody did not know (PS3.5 6.2.2 note 2) is read as one. */
  async #isSequence(length: number): Promise<boolean> {
    if (length < 8) return false;
    await this.walker.stream.fill(4);
    const [a, b, c, d] = this.walker.stream.peek(4);
    return a === 0xfe && b === 0xff && c === 0x00 && d === 0xe0;
  }

  #valueBytes({ tag, vr, length }: ElementEvent, held: Held, depth: number): number {
    if (depth === 0 && offsetTables.has(tag)) return 0;
    if (held === 'unknown') return length * headerMemory.unknownByte;
    return bulkVrs.has(vr) && vr !== 'UN' ? length : length * headerMemory.valueByte;
  }

  #left(tag: Tag, vr: string, byteCount: number, depth: number): DicomElement | undefined {
    this.#hold(headerMemory.element, depth);
    const offset = this.#at;
    if (depth === 0 && pixelDataTags.has(tag))
      this.pixelData = { tag, vr, offset, byteCount: byteCount === undefinedLength ? undefined : byteCount };
    if (!this.pixelData && !this.#isKept(tag, depth)) return undefined;
    return { tag, vr, value: empty, range: { offset, byteCount }, notLoaded: true };
  }

  /** A copy: what the stream gives is a part of a larger piece, which must not stay. */
  async #value(length: number): Promise<Uint8Array> {
    const value = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const piece = await this.walker.stream.some(length - at);
      value.set(piece, at);
      at += piece.length;
    }
    return value;
  }

  /** UN may be a sequence, or what the dictionary knows: as `parseFile` reads it. */
  #unknown(tag: Tag, value: Uint8Array, characterSet: string): DicomElement {
    const head = writeHead(tag, 'UN', value.length, explicit);
    const bytes = new Uint8Array(head.length + value.length);
    bytes.set(head);
    bytes.set(value, head.length);
    const limits = { ...this.limits, elementsMax: parsedElementsMax };
    const reader = new ElementReader(bytes, limits, false);
    const element = reader.readDataset(explicit, bytes.length, characterSet, 0, false).element(tag);
    if (!element) throw new DicomParseError(`${tag} cannot be read`);
    return element;
  }

  #isKept(tag: Tag, depth: number): boolean {
    return depth > 0 || !this.only || this.only.has(tag);
  }

  #hold(byteCount: number, depth: number): void {
    if (depth > 0) {
      this.#sequenceBytes += byteCount;
      if (this.#sequenceBytes > headerMemory.sequencesMax) throw new TooMuchOfSequence();
      return;
    }
    this.#topBytes += byteCount;
    if (this.#topBytes > headerMemory.topMax) throw new DicomParseError('The header has too many elements');
  }
}
