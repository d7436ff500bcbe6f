import { DicomDataset, type ByteRange, type DicomElement } from '../dataset.js';
import { DicomParseError, TooManyElementsError } from '../errors.js';
import { dictionaryEntry, isPrivate, type Tag } from '../tags.js';
import { toLittleEndian } from './byte-order.js';
import { ByteCursor, EndOfBytes, type Encoding, type Head } from './cursor.js';
import {
  fragmentHeads,
  insideUnknown,
  itemDelimiter,
  itemTag,
  pixelDataTags,
  sequenceDelimiter,
  undefinedLength,
  undefinedLengthVrs,
} from './head-reader.js';
import type { ParseLimits } from './limits.js';

const empty = new Uint8Array(0);

/** Fragments are bytes, whatever the VR says (PS3.5 A.4). */
const encapsulatedVr = (vr: string): string => (vr === 'OW' ? 'OB' : vr);

/** Reads elements of one byte stream; recursion is bounded by `depthMax`. */
export class ElementReader extends ByteCursor {
  private elementCount = 0;
  private fragmentCount = 0;
  private pixelDataSeen = false;
  /** Where bytes after Pixel Data stop being elements; undefined when they do not. */
  garbageOffset: number | undefined;

  constructor(
    bytes: Uint8Array,
    private readonly limits: ParseLimits,
    /** Stop at top-level Pixel Data, and keep it as not loaded. */
    private readonly stopAtPixelData: boolean,
    position = 0,
    /** True when the bytes are all there is: an end inside an element is a defect then. */
    private readonly fileEnds = true,
  ) {
    super(bytes, position);
  }

  /** Elements from the position to `end`, or to the item delimiter when the item's length is undefined. */
  readDataset(
    encoding: Encoding,
    end: number,
    inheritedCharacterSet: string,
    depth: number,
    delimited: boolean,
  ): DicomDataset {
    if (depth > this.limits.depthMax)
      throw new DicomParseError(`Sequences are nested deeper than ${String(this.limits.depthMax)}`);
    const elements = new Map<Tag, DicomElement>();
    let characterSet = inheritedCharacterSet;
    let signed = false;
    let ascending = true;
    let lastTag = '';
    while (this.position < end) {
      // Some writers pad the end of a file with zeros.
      if (depth === 0 && end - this.position < 8 && this.fileEnds && this.onlyZeros(end)) break;
      const element = this.readNext(encoding, end, signed, characterSet, depth);
      if (element === 'item-end') {
        if (delimited) break;
        continue;
      }
      if (element === 'garbage') break;
      if (element.tag <= lastTag) ascending = false;
      lastTag = element.tag;
      // The first of repeated elements counts: PS3.5 7.1 allows each tag once.
      if (!elements.has(element.tag)) elements.set(element.tag, element);
      if (element.tag === '00080005') characterSet = new DicomDataset(elements, '').strings('00080005').join('\\');
      if (element.tag === '00280103') signed = new DicomDataset(elements, '').number('00280103') === 1;
      if (element.notLoaded === true) break;
    }
    const sorted = ascending ? elements : new Map([...elements].sort(([a], [b]) => (a < b ? -1 : 1)));
    return new DicomDataset(sorted, characterSet);
  }

  private isTooMany(error: unknown): boolean {
    return this.limits.strict && error instanceof TooManyElementsError;
  }

  private readNext(
    encoding: Encoding,
    end: number,
    signed: boolean,
    characterSet: string,
    depth: number,
  ): DicomElement | 'item-end' | 'garbage' {
    const start = this.position;
    try {
      const head = this.readHead(encoding, end, signed);
      if (head.tag === itemDelimiter && depth > 0) return 'item-end';
      if (head.tag === itemDelimiter || head.tag === sequenceDelimiter) {
        throw new DicomParseError(`A delimiter stands outside of any sequence at byte ${String(start)}`);
      }
      const element = this.readElement(head, encoding, end, characterSet, depth);
      if (depth === 0 && pixelDataTags.has(element.tag)) this.pixelDataSeen = true;
      return element;
    } catch (error) {
      if (this.isTooMany(error)) throw error;
      // Rubbish after the pixels takes nothing from the image: what came before it is whole.
      if (depth === 0 && this.pixelDataSeen && (error instanceof EndOfBytes || error instanceof DicomParseError)) {
        this.garbageOffset = start;
        return 'garbage';
      }
      throw error;
    }
  }

  private readElement(head: Head, encoding: Encoding, end: number, characterSet: string, depth: number): DicomElement {
    if (++this.elementCount > this.limits.elementsMax) {
      throw new TooManyElementsError(`More than ${String(this.limits.elementsMax)} elements`);
    }
    const { tag, length } = head;
    const offset = this.position;
    const isPixelData = depth === 0 && pixelDataTags.has(tag);
    if (isPixelData && this.stopAtPixelData) {
      return {
        tag,
        vr: length === undefinedLength ? encapsulatedVr(head.vr) : head.vr,
        value: empty,
        range: { offset, byteCount: length },
        notLoaded: true,
      };
    }
    if (length === undefinedLength)
      return this.readUndefinedLength(head, encoding, end, characterSet, depth, isPixelData);
    this.need(length, end, tag);
    if (head.vr === 'SQ') {
      const items = this.readItems(encoding, offset + length, characterSet, depth, false);
      return { tag, vr: 'SQ', value: empty, range: { offset, byteCount: length }, items };
    }
    this.position = offset + length;
    const raw = this.bytes.subarray(offset, offset + length);
    const range = { offset, byteCount: length };
    if (head.vr === 'UN') {
      const items = this.itemsOfUnknown(raw, encoding, offset, characterSet, depth);
      if (items) return { tag, vr: 'SQ', value: empty, range, items };
      const known = dictionaryEntry(tag)?.vr;
      // PS3.5 6.2.2 note 2: a public attribute sent as UN may be read with the VR the dictionary gives it; UN is little endian.
      if (known !== undefined && known !== 'SQ' && !isPrivate(tag)) return { tag, vr: known, value: raw, range };
      return { tag, vr: 'UN', value: raw, range };
    }
    return { tag, vr: head.vr, value: encoding.bigEndian ? toLittleEndian(head.vr, raw) : raw, range };
  }

  private readUndefinedLength(
    head: Head,
    encoding: Encoding,
    end: number,
    characterSet: string,
    depth: number,
    isPixelData: boolean,
  ): DicomElement {
    const offset = this.position;
    // Also of an icon, whose pixels may be compressed where those of the image are (PS3.5 A.4).
    if (isPixelData || head.tag === '7FE00010') {
      const fragments = this.readFragments(end);
      return {
        tag: head.tag,
        vr: encapsulatedVr(head.vr),
        value: empty,
        range: { offset, byteCount: this.position - offset },
        fragments,
      };
    }
    if (!undefinedLengthVrs.has(head.vr)) throw new DicomParseError(`${head.tag} (${head.vr}) has an undefined length`);
    const inner = head.vr === 'UN' ? insideUnknown : encoding;
    const items = this.readItems(inner, end, characterSet, depth, true);
    return { tag: head.tag, vr: 'SQ', value: empty, range: { offset, byteCount: this.position - offset }, items };
  }

  private readItems(
    encoding: Encoding,
    end: number,
    characterSet: string,
    depth: number,
    delimited: boolean,
  ): DicomDataset[] {
    const items: DicomDataset[] = [];
    while (this.position < end) {
      const { tag, length } = this.readItemHead(encoding, end);
      if (tag === sequenceDelimiter) {
        if (delimited) return items;
        continue;
      }
      if (tag !== itemTag)
        throw new DicomParseError(`Expected an item at byte ${String(this.position - 8)}, found ${tag}`);
      if (++this.elementCount > this.limits.elementsMax) throw new TooManyElementsError('Too many items');
      if (length === undefinedLength) {
        items.push(this.readDataset(encoding, end, characterSet, depth + 1, true));
      } else {
        this.need(length, end, tag);
        const itemEnd = this.position + length;
        items.push(this.readDataset(encoding, itemEnd, characterSet, depth + 1, false));
        this.position = itemEnd;
      }
    }
    if (delimited) this.endsInside('a sequence of undefined length', end);
    return items;
  }

  /** Fragments of encapsulated Pixel Data (PS3.5 A.4); always little endian. */
  private readFragments(end: number): ByteRange[] {
    const fragments: ByteRange[] = [];
    while (this.position < end) {
      const { tag, length } = this.readItemHead(fragmentHeads, end);
      if (tag === sequenceDelimiter) return fragments;
      if (tag !== itemTag || length === undefinedLength)
        throw new DicomParseError(`Expected a fragment at byte ${String(this.position - 8)}`);
      if (++this.fragmentCount > this.limits.fragmentsMax) {
        if (this.limits.strict) throw new TooManyElementsError('Too many fragments');
        throw new DicomParseError('Too many fragments');
      }
      this.need(length, end, tag);
      fragments.push({ offset: this.position, byteCount: length });
      this.position += length;
    }
    return this.endsInside('Pixel Data', end);
  }

  /**
   * Items of an element whose VR is not known, when its bytes are a sequence: what an Implicit VR stream, or a
   * system that did not know a private attribute, leaves of a sequence of defined length.
   */
  private itemsOfUnknown(
    raw: Uint8Array,
    encoding: Encoding,
    offset: number,
    characterSet: string,
    depth: number,
  ): DicomDataset[] | undefined {
    if (raw.length < 8 || raw[0] !== 0xfe || raw[1] !== 0xff || raw[2] !== 0x00 || raw[3] !== 0xe0) return undefined;
    const counted = this.elementCount;
    try {
      const inner = new ElementReader(
        this.bytes,
        { ...this.limits, elementsMax: this.limits.elementsMax - counted },
        false,
        offset,
      );
      const items = inner.readItems(
        { implicitVr: true, bigEndian: false },
        offset + raw.length,
        characterSet,
        depth,
        false,
      );
      this.elementCount += inner.elementCount;
      return inner.position === offset + raw.length ? items : undefined;
    } catch (error) {
      if (this.isTooMany(error)) throw error;
      if (error instanceof DicomParseError || error instanceof EndOfBytes) return undefined;
      throw error;
    }
  }
}
