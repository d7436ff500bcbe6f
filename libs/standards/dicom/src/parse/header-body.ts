import { DicomDataset, type DicomElement } from '../dataset.js';
import { DicomParseError } from '../errors.js';
import type { Tag } from '../tags.js';
import { undefinedLength, writeHead } from '../transcode/head.js';
import { pixelDataTags, type DatasetEvent, type DatasetWalker } from '../transcode/walker.js';
import { bulkVrs } from '../vr.js';
import { toLittleEndian } from './byte-order.js';
import { headerBytesMax, type ParseLimits } from './limits.js';
import type { ParsedHeader } from './parse.js';
import { ElementReader } from './reader.js';

/** A value beyond this of a bulk VR is left where it is: nobody searches for it, and whoever wants it asks for it. */
const heldBulkBytesMax = 64 * 1024;
/** A sequence of unknown VR is held to be read. */
const unknownSequenceBytesMax = 16 * 1024 * 1024;
/** Extended Offset Table and its lengths (PS3.3 C.7.6.3.1.8): frames are found by them. */
const neverBulk: ReadonlySet<Tag> = new Set(['7FE00001', '7FE00002']);
/** What an element costs beside its value, in bytes as they are sent. */
const headBytes = 8;
const explicit = { implicitVr: false, bigEndian: false };
const empty = new Uint8Array(0);

type ElementEvent = Extract<DatasetEvent, { kind: 'element' }>;

/** Builds what stands before Pixel Data from a walk over it. Values of bulk data are left where they are. */
export class HeaderBody {
  #heldBytes = 0;
  pixelData: ParsedHeader['pixelData'];

  /** @param offset of the walk's first byte in the file, or 0 in an inflated dataset */
  constructor(
    private readonly walker: DatasetWalker,
    private readonly offset: number,
    private readonly limits: ParseLimits,
  ) {}

  /**
   * One dataset, to its end, its item's end or top-level Pixel Data.
   * Thrown when it is none, is truncated or passes a limit: DicomParseError.
   */
  async dataset(inheritedCharacterSet = '', depth = 0): Promise<DicomDataset> {
    const elements = new Map<Tag, DicomElement>();
    let characterSet = inheritedCharacterSet;
    for (;;) {
      const event = await this.walker.next();
      if (!event || event.kind === 'item-end') break;
      const element = await this.#element(event, characterSet, depth);
      // The first of repeated elements counts: PS3.5 7.1 allows each tag once.
      if (!elements.has(element.tag)) elements.set(element.tag, element);
      if (element.tag === '00080005') characterSet = new DicomDataset(elements, '').strings('00080005').join('\\');
      if (depth === 0 && this.pixelData) break;
    }
    return new DicomDataset(new Map([...elements].sort(([a], [b]) => (a < b ? -1 : 1))), characterSet);
  }

  get #at(): number {
    return this.offset + this.walker.stream.position;
  }

  async #element(event: DatasetEvent, characterSet: string, depth: number): Promise<DicomElement> {
    const offset = this.#at;
    switch (event.kind) {
      case 'sequence':
        return this.#sequence(event.tag, offset, characterSet, depth);
      case 'fragments':
        return this.#left(event.tag, 'OB', undefinedLength, depth);
      case 'element':
        return (await this.#isLeft(event, depth))
          ? this.#left(event.tag, event.vr, event.length, depth)
          : this.#held(event, characterSet);
      default:
        throw new DicomParseError(`Expected an element before byte ${String(offset)}`);
    }
  }

  async #sequence(tag: Tag, offset: number, characterSet: string, depth: number): Promise<DicomElement> {
    const items: DicomDataset[] = [];
    this.#hold(headBytes);
    for (let event = await this.walker.next(); event?.kind === 'item'; event = await this.walker.next()) {
      this.#hold(headBytes);
      items.push(await this.dataset(characterSet, depth + 1));
    }
    return { tag, vr: 'SQ', value: empty, range: { offset, byteCount: this.#at - offset }, items };
  }

  async #isLeft({ tag, vr, length }: ElementEvent, depth: number): Promise<boolean> {
    if (depth === 0 && pixelDataTags.has(tag)) return true;
    if (length <= heldBulkBytesMax || !bulkVrs.has(vr) || neverBulk.has(tag)) return false;
    if (vr !== 'UN' || length > unknownSequenceBytesMax) return true;
    // A sequence that somebody did not know (PS3.5 6.2.2 note 2) is read as one.
    await this.walker.stream.fill(4);
    const [a, b, c, d] = this.walker.stream.peek(4);
    return !(a === 0xfe && b === 0xff && c === 0x00 && d === 0xe0);
  }

  #left(tag: Tag, vr: string, byteCount: number, depth: number): DicomElement {
    this.#hold(headBytes);
    const offset = this.#at;
    if (depth === 0 && pixelDataTags.has(tag))
      this.pixelData = { tag, vr, offset, byteCount: byteCount === undefinedLength ? undefined : byteCount };
    return { tag, vr, value: empty, range: { offset, byteCount }, notLoaded: true };
  }

  async #held({ tag, vr, length }: ElementEvent, characterSet: string): Promise<DicomElement> {
    this.#hold(headBytes + length);
    const range = { offset: this.#at, byteCount: length };
    const { bigEndian } = this.walker.elementEncoding;
    const value = await this.#value(length);
    if (vr === 'UN') return { ...this.#unknown(tag, value, characterSet), range };
    return { tag, vr, value: bigEndian ? toLittleEndian(vr, value) : value, range };
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
    const reader = new ElementReader(bytes, this.limits, false);
    const element = reader.readDataset(explicit, bytes.length, characterSet, 0, false).element(tag);
    if (!element) throw new DicomParseError(`${tag} cannot be read`);
    return element;
  }

  #hold(byteCount: number): void {
    this.#heldBytes += byteCount;
    if (this.#heldBytes > headerBytesMax)
      throw new DicomParseError(`The header is longer than ${String(headerBytesMax)} bytes, bulk data not counted`);
  }
}
