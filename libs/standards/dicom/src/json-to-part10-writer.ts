import type { ByteBlocks } from './byte-blocks.js';
import { DicomWriteError } from './errors.js';
import type { DicomJson, DicomJsonElement, DicomJsonValue, PersonName } from './json.js';
import { checkElement } from './json-to-part10-checks.js';
import type { BulkValue, Part10Options } from './json-to-part10-options.js';
import { StepCount, type Steps } from './parse/loop-turns.js';
import type { Tag } from './tags.js';
import { allVrs, bulkVrs, longFormVrs, textVrs } from './vr.js';
import { elementHead, itemHead, piecesOf, total, valuePieces } from './write-elements.js';

const explicitLittleEndian = {
  implicitVr: false,
  bigEndian: false,
  // What others issued is kept as it is, as in a file; those of the object itself are looked at apart.
  anyUid: true,
  text: (text: string): Uint8Array => Buffer.from(text, 'utf8'),
};
/** Groups that no dataset has: commands, and what PS3.5 7.8.1 keeps free; items and delimiters (7.5) would end it. */
const forbiddenGroups: ReadonlySet<string> = new Set(['0000', '0001', '0003', '0005', '0007', 'FFFE', 'FFFF']);
const characterSetTag = '00080005';
const unicode: DicomJsonElement = { vr: 'CS', Value: ['ISO_IR 192'] };
/** Base64 that is decoded without a break; whole groups of four. */
const base64Chars = 256 * 1024;
const [itemTag, sequenceDelimiter] = [0xfffee000, 0xfffee0dd] as const;
/** Longest that can be said: one more means that it is not (PS3.5 7.1). */
const lengthMax = 0xfffffffe;
const nothing = new Uint8Array(0);

/** False for what is not written: group lengths, file meta information of others, character sets of items. */
const isWritten = (tag: Tag, isTop: boolean): boolean =>
  !tag.endsWith('0000') && !(isTop && tag.startsWith('0002')) && (isTop || tag !== characterSetTag);

/** True when none of the text needs more than the default character repertoire (PS3.5 6.1.2.1), also of values that came. */
export function* isAsciiText(dataset: DicomJson, options: Part10Options): Steps<boolean> {
  return yield* new AsciiSearch(options).isAscii(dataset, '', true);
}

class AsciiSearch {
  readonly #count = new StepCount();

  constructor(private readonly options: Part10Options) {}

  *isAscii(dataset: DicomJson, path: string, isTop: boolean): Steps<boolean> {
    if (this.#count.isDue()) yield;
    for (const tag of Object.keys(dataset)) {
      const { vr = '', Value: values = [], BulkDataURI: uri } = dataset[tag] ?? {};
      if (this.#count.isDue(1 + values.length)) yield;
      if (!isWritten(tag, isTop) || (isTop && tag === this.options.around)) continue;
      if (uri !== undefined) {
        if (!isAsciiValue(vr, this.options.values?.get(`${path}${tag}`))) return false;
      } else if (vr === 'SQ') {
        for (const [i, item] of values.entries())
          if (!(yield* this.isAscii(itemOf(tag, item), `${path}${tag}/${String(i)}/`, false))) return false;
      } else if (!values.every(isAscii)) return false;
    }
    return true;
  }
}

/** What came for a reference is as it was stored: not looked into, unless it may be text. */
const isAsciiValue = (vr: string, value: BulkValue | undefined): boolean =>
  value === undefined ||
  'frames' in value ||
  bulkVrs.has(vr) ||
  piecesOf(value.bytes).every((piece) => piece.every((byte) => byte < 0x80));

function isAscii(value: DicomJsonValue): boolean {
  if (typeof value === 'string') return !/[^\x00-\x7f]/.test(value);
  return value === null || typeof value === 'number' || Object.values(value as PersonName).every(isAscii);
}

/** Item of a sequence. @throws {DicomWriteError} when the value is none */
export function itemOf(tag: Tag, item: DicomJsonValue): DicomJson {
  if (item === null) return {};
  if (typeof item !== 'object') throw new DicomWriteError(`${tag} is a sequence: its values are items`);
  return item as DicomJson;
}

/** Writes a dataset of outside, looked at element by element, with what came for its references. */
export class CheckedWriter {
  readonly #count = new StepCount();

  /** @param isAsciiText otherwise the text is UTF-8, whatever the object says it was (PS3.18 F.2.2), and says so */
  constructor(
    private readonly options: Part10Options,
    private readonly isAsciiText: boolean,
  ) {}

  /** The elements that are wanted, in ascending order. */
  *write(dataset: DicomJson, out: ByteBlocks, isWanted: (tag: Tag) => boolean): Steps<void> {
    yield* this.#dataset(dataset, '', isWanted, out);
  }

  /** @param isWanted undefined in items, of which all is */
  *#dataset(
    dataset: DicomJson,
    path: string,
    isWanted: ((tag: Tag) => boolean) | undefined,
    out: ByteBlocks,
  ): Steps<void> {
    if (this.#count.isDue()) yield;
    const isTop = isWanted !== undefined;
    const tags = Object.keys(dataset).filter((tag) => isWritten(tag, isTop) && isWanted?.(tag) !== false);
    const saysUnicode = isTop && !this.isAsciiText && isWanted(characterSetTag);
    if (saysUnicode && dataset[characterSetTag] === undefined) tags.push(characterSetTag);
    // Items inherit what stands above them.
    for (const tag of tags.sort()) {
      const element = saysUnicode && tag === characterSetTag ? unicode : dataset[tag];
      if (!element) continue;
      const group = tag.slice(0, 4);
      if (forbiddenGroups.has(group) || group === '0002') throw new DicomWriteError(`${tag} is no tag of a dataset`);
      if (!allVrs.has(element.vr)) throw new DicomWriteError(`${tag} has a VR that is none (PS3.5 6.2)`);
      checkElement(tag, element);
      if (element.BulkDataURI !== undefined) this.#value(tag, element.vr, `${path}${tag}`, out);
      else if (element.InlineBinary !== undefined) yield* this.#inline(tag, element.vr, element.InlineBinary, out);
      else if (element.vr === 'SQ') yield* this.#sequence(tag, element.Value ?? [], `${path}${tag}`, out);
      else this.#pieces(tag, element.vr, valuePieces(tag, element, explicitLittleEndian), out);
      if (this.#count.isDue(1 + (element.Value?.length ?? 0))) yield;
    }
  }

  *#sequence(tag: Tag, items: readonly DicomJsonValue[], path: string, out: ByteBlocks): Steps<void> {
    const head = out.reserve(elementHead(tag, 'SQ', 0, explicitLittleEndian));
    const begin = out.length;
    for (const [i, item] of items.entries()) {
      const ofItem = out.reserve(itemHead(itemTag, 0, false));
      const from = out.length;
      yield* this.#dataset(itemOf(tag, item), `${path}/${String(i)}/`, undefined, out);
      ofItem.writeUInt32LE(said(tag, out.length - from), 4);
    }
    head.writeUInt32LE(said(tag, out.length - begin), 8);
  }

  /** What came for a reference. */
  #value(tag: Tag, vr: string, path: string, out: ByteBlocks): void {
    const value = this.options.values?.get(path);
    if (!value) throw new DicomWriteError(`${tag} has a bulk data URI and no value`);
    if (!('frames' in value)) return this.#pieces(tag, vr, piecesOf(value.bytes), out, true);
    out.push(elementHead(tag, 'OB', 0xffffffff, explicitLittleEndian));
    for (const frame of [nothing, ...value.frames]) {
      const pieces = piecesOf(frame);
      const byteCount = total(pieces);
      out.push(itemHead(itemTag, said(tag, byteCount + (byteCount & 1)), false));
      for (const piece of pieces) out.push(piece, true);
      if ((byteCount & 1) === 1) out.push(Uint8Array.of(0));
    }
    out.push(itemHead(sequenceDelimiter, 0, false));
  }

  *#inline(tag: Tag, vr: string, inline: string, out: ByteBlocks): Steps<void> {
    if (!bulkVrs.has(vr)) throw new DicomWriteError(`${tag} (${vr}) is not written in base64 (PS3.18 F.2.2)`);
    const decoded: Uint8Array[] = [];
    for (let at = 0; at < inline.length; at += base64Chars) {
      const text = inline.slice(at, at + base64Chars);
      const isLast = at + base64Chars >= inline.length;
      // `Buffer.from` would skip what is no base64, and the value would be another.
      if (text.length % 4 !== 0 || !(isLast ? /^[A-Za-z0-9+/]*={0,2}$/ : /^[A-Za-z0-9+/]*$/).test(text))
        throw new DicomWriteError(`${tag} holds no base64 (RFC 4648 4)`);
      decoded.push(Buffer.from(text, 'base64'));
      if (!isLast) yield;
    }
    this.#pieces(tag, vr, decoded, out);
  }

  #pieces(tag: Tag, vr: string, pieces: readonly Uint8Array[], out: ByteBlocks, isHeld = false): void {
    const byteCount = total(pieces);
    const length = said(tag, byteCount + (byteCount & 1));
    if (!longFormVrs.has(vr) && length > 0xffff) throw new DicomWriteError(`${tag} (${vr}) is longer than 65534 bytes`);
    out.push(elementHead(tag, vr, length, explicitLittleEndian));
    for (const piece of pieces) out.push(piece, isHeld);
    if ((byteCount & 1) === 1) out.push(Uint8Array.of(textVrs.has(vr) && vr !== 'UI' ? 0x20 : 0));
  }
}

/** A length that can be said. @throws {DicomWriteError} */
function said(tag: Tag, byteCount: number): number {
  if (byteCount > lengthMax) throw new DicomWriteError(`${tag} is longer than ${String(lengthMax)} bytes`);
  return byteCount;
}
