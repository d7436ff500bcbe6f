import { withoutEnd, withoutStart } from '@callosum/kernel';
import { decodeText } from './charset.js';
import { findTag, tagOf, type Tag } from './tags.js';
import { isSingleText } from './vr.js';

/** A byte range of the file (or of its inflated dataset). */
export interface ByteRange {
  readonly offset: number;
  readonly byteCount: number;
}

export interface DicomElement {
  readonly tag: Tag;
  readonly vr: string;
  /** The value in little-endian byte order, padding included; empty for sequences and values not loaded. */
  readonly value: Uint8Array;
  /** Where the value starts, and its length; undefined length until the delimiter was found. */
  readonly range: ByteRange;
  /** Of a sequence. */
  readonly items?: readonly DicomDataset[];
  /** Of encapsulated Pixel Data, Basic Offset Table first; ranges into the file. */
  readonly fragments?: readonly ByteRange[];
  /** True when the value exists but was not read: Pixel Data of a header. */
  readonly notLoaded?: boolean;
}

const multiValued: ReadonlySet<string> = new Set([
  'AE',
  'AS',
  'CS',
  'DA',
  'DS',
  'DT',
  'IS',
  'LO',
  'PN',
  'SH',
  'TM',
  'UC',
  'UI',
]);
/** Leading spaces are significant in these (PS3.5 6.2). */
const keepsLeadingSpace: ReadonlySet<string> = new Set(['LT', 'ST', 'UT', 'UR', 'UC', 'PN']);
/** More values than this are bulk data, not numbers somebody asks for one by one. */
const valuesMax = 4_000_000;

/** True for VRs whose values are text. */
export const isTextVr = (vr: string): boolean => multiValued.has(vr) || isSingleText(vr);

/** A DICOM dataset: elements by tag, values decoded on demand (PS3.5 7). */
export class DicomDataset implements Iterable<DicomElement> {
  constructor(
    private readonly byTag: ReadonlyMap<Tag, DicomElement>,
    /** Specific Character Set in force, inherited by items that have none (PS3.5 7.5.3). */
    readonly characterSet: string,
  ) {}

  /** Elements in ascending tag order, private ones too. */
  [Symbol.iterator](): Iterator<DicomElement> {
    return this.byTag.values();
  }

  get size(): number {
    return this.byTag.size;
  }

  element(keywordOrTag: string): DicomElement | undefined {
    return this.byTag.get(findTag(keywordOrTag) ?? tagOf(keywordOrTag));
  }

  /** True when the attribute is present, also with an empty value. */
  has(keywordOrTag: string): boolean {
    return this.element(keywordOrTag) !== undefined;
  }

  /** The first value as text without padding; undefined when absent or empty. */
  string(keywordOrTag: string): string | undefined {
    const first = this.strings(keywordOrTag)[0];
    return first === undefined || first.length === 0 ? undefined : first;
  }

  /** All values as text without padding; empty values stay as '' so that positions hold. AT is eight hex digits. */
  strings(keywordOrTag: string): string[] {
    const element = this.element(keywordOrTag);
    if (!element || element.value.length === 0) return [];
    if (isTextVr(element.vr)) return textValues(element, this.characterSet);
    return numericValues(element).map((value) =>
      element.vr === 'AT' ? value.toString(16).toUpperCase().padStart(8, '0') : String(value),
    );
  }

  /** The first value as a finite number; undefined when absent, empty or no number. */
  number(keywordOrTag: string): number | undefined {
    const value = this.numbers(keywordOrTag)[0];
    return value !== undefined && Number.isFinite(value) ? value : undefined;
  }

  /** All values as numbers; NaN where a DS or IS is no number. */
  numbers(keywordOrTag: string): number[] {
    const element = this.element(keywordOrTag);
    if (!element || element.value.length === 0) return [];
    if (isTextVr(element.vr)) {
      return textValues(element, this.characterSet).map(parseDecimal);
    }
    return numericValues(element).map(Number);
  }

  /** The items of a sequence; empty when absent. */
  sequence(keywordOrTag: string): readonly DicomDataset[] {
    return this.element(keywordOrTag)?.items ?? [];
  }

  /** The raw value in little-endian order, padding included; undefined when absent or not loaded. */
  bytes(keywordOrTag: string): Uint8Array | undefined {
    const element = this.element(keywordOrTag);
    return element === undefined || element.notLoaded === true || element.items ? undefined : element.value;
  }
}

function parseDecimal(text: string): number {
  return /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : Number.NaN;
}

/** Spaces pad text and NUL pads UIDs (PS3.5 6.2); some writers take the other. */
const padding = ' \0';

/** Text values of an element, split at backslashes and trimmed as its VR says. */
export function textValues(element: DicomElement, characterSet: string): string[] {
  const text = decodeText(element.value, element.vr, characterSet);
  if (isSingleText(element.vr)) {
    const one = withoutEnd(text, padding);
    return one.length === 0 ? [] : [one];
  }
  const values = text.split('\\').map((value) => trim(value, element.vr));
  return values.length === 1 && values[0] === '' ? [] : values;
}

function trim(value: string, vr: string): string {
  const end = withoutEnd(value, padding);
  return keepsLeadingSpace.has(vr) ? end : withoutStart(end, padding);
}

/** Numbers of a binary element; AT as group × 65536 + element, 64-bit integers as bigint when a number would round. */
export function numericValues(element: DicomElement): (number | bigint)[] {
  const { vr, value } = element;
  const size = binarySize[vr];
  if (size === undefined) return [];
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const count = Math.min(Math.floor(value.length / size), valuesMax);
  const read = readers[vr];
  if (!read) return [];
  return Array.from({ length: count }, (_, i) => read(view, i * size));
}

const binarySize: Readonly<Record<string, number>> = {
  US: 2,
  SS: 2,
  UL: 4,
  SL: 4,
  FL: 4,
  FD: 8,
  UV: 8,
  SV: 8,
  AT: 4,
};
const safe = (value: bigint): number | bigint =>
  BigInt(Number(value)) === value && Number.isSafeInteger(Number(value)) ? Number(value) : value;
const readers: Readonly<Record<string, (view: DataView, at: number) => number | bigint>> = {
  US: (view, at) => view.getUint16(at, true),
  SS: (view, at) => view.getInt16(at, true),
  UL: (view, at) => view.getUint32(at, true),
  SL: (view, at) => view.getInt32(at, true),
  FL: (view, at) => view.getFloat32(at, true),
  FD: (view, at) => view.getFloat64(at, true),
  UV: (view, at) => safe(view.getBigUint64(at, true)),
  SV: (view, at) => safe(view.getBigInt64(at, true)),
  AT: (view, at) => view.getUint16(at, true) * 0x10000 + view.getUint16(at + 2, true),
};
