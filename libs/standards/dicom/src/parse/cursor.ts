import { DicomParseError } from '../errors.js';
import { vrOf, type Tag } from '../tags.js';
import { allVrs, longFormVrs } from '../vr.js';

/** Thrown inside the parser when the bytes end inside an element; never leaves this package. */
export class EndOfBytes extends Error {}

export interface Encoding {
  readonly implicitVr: boolean;
  readonly bigEndian: boolean;
}

/** What stands before a value: tag, VR and length (PS3.5 7.1). */
export interface Head {
  readonly tag: Tag;
  readonly vr: string;
  readonly length: number;
}

/** Texts of tags seen: a study repeats the same hundred. Cleared at this size, so that forged tags cannot fill memory. */
const tagTextsMax = 20_000;
const tagTexts = new Map<number, Tag>();

function tagText(tag: number): Tag {
  const known = tagTexts.get(tag);
  if (known !== undefined) return known;
  if (tagTexts.size >= tagTextsMax) tagTexts.clear();
  const text = tag.toString(16).toUpperCase().padStart(8, '0');
  tagTexts.set(tag, text);
  return text;
}

/** A position in bytes that reads heads of elements and items, and never passes an end. */
export class ByteCursor {
  private readonly view: DataView;

  constructor(
    protected readonly bytes: Uint8Array,
    public position: number,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  protected readHead(encoding: Encoding, end: number, signed: boolean): Head {
    this.need(8, end, 'an element');
    const at = this.position;
    const little = !encoding.bigEndian;
    const tag = this.tagAt(at, little);
    if (tag.startsWith('FFFE')) {
      this.position = at + 8;
      return { tag, vr: '', length: this.view.getUint32(at + 4, little) };
    }
    if (encoding.implicitVr) {
      this.position = at + 8;
      return { tag, vr: vrOf(tag, signed), length: this.view.getUint32(at + 4, little) };
    }
    return this.readExplicitHead(tag, at, end, little, signed);
  }

  protected readExplicitHead(tag: Tag, at: number, end: number, little: boolean, signed: boolean): Head {
    const first = this.bytes[at + 4] ?? 0;
    const second = this.bytes[at + 5] ?? 0;
    const vr = String.fromCharCode(first, second);
    if (allVrs.has(vr) && !longFormVrs.has(vr)) {
      this.position = at + 8;
      return { tag, vr, length: this.view.getUint16(at + 6, little) };
    }
    const isLetters = first >= 0x41 && first <= 0x5a && second >= 0x41 && second <= 0x5a;
    if (isLetters && (longFormVrs.has(vr) || this.view.getUint16(at + 6, little) === 0)) {
      // PS3.5 6.2.2: a VR of a later edition has the long form; its value is opaque.
      this.need(12, end, 'an element');
      this.position = at + 12;
      return { tag, vr: longFormVrs.has(vr) ? vr : 'UN', length: this.view.getUint32(at + 8, little) };
    }
    // Writers' defects: an invented VR in the short form, and Implicit VR elements inside an Explicit VR stream.
    if (isLetters || (['??', '  ', '\0\0', '--'].includes(vr) && this.view.getUint16(at + 6, little) !== 0)) {
      this.position = at + 8;
      return { tag, vr: vrOf(tag, signed), length: this.view.getUint16(at + 6, little) };
    }
    this.position = at + 8;
    return { tag, vr: vrOf(tag, signed), length: this.view.getUint32(at + 4, little) };
  }

  protected readItemHead(encoding: Encoding, end: number): { tag: Tag; length: number } {
    this.need(8, end, 'an item');
    const at = this.position;
    this.position = at + 8;
    return { tag: this.tagAt(at, !encoding.bigEndian), length: this.view.getUint32(at + 4, !encoding.bigEndian) };
  }

  protected tagAt(at: number, little: boolean): Tag {
    return tagText(this.view.getUint16(at, little) * 0x10000 + this.view.getUint16(at + 2, little));
  }

  protected onlyZeros(end: number): boolean {
    for (let i = this.position; i < end; i++) if (this.bytes[i] !== 0) return false;
    return true;
  }

  /** Thrown as EndOfBytes when the stream ends there, as DicomParseError when an enclosing length does. */
  protected need(byteCount: number, end: number, what: string): void {
    if (this.position + byteCount <= end) return;
    this.endsInside(what, end);
  }

  protected endsInside(what: string, end: number): never {
    if (end >= this.bytes.length) throw new EndOfBytes(`The bytes end inside ${what}`);
    throw new DicomParseError(`${what} is longer than what holds it, at byte ${String(this.position)}`);
  }
}
