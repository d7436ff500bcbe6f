import { isAscii, isUtf8 } from 'node:buffer';

import { DicomParseError } from './errors.js';
import { StepCount, type Steps } from './parse/loop-turns.js';

const [quote, comma, colon, openArray, backslash, closeArray, openObject, closeObject] = [
  0x22, 0x2c, 0x3a, 0x5b, 0x5c, 0x5d, 0x7b, 0x7d,
] as const;
/** Objects and arrays in each other: four for each level of items, which nest 64 deep at most. */
const depthMax = 4 * 66;
/** What a number, `true`, `false` or `null` may consist of: it ends before anything else. */
const isOfWord = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) ||
  (byte >= 0x61 && byte <= 0x7a) ||
  byte === 0x2b ||
  byte === 0x2d ||
  byte === 0x2e ||
  byte === 0x45;
const numberPattern = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
/** More digits than any number of DICOM has. */
const wordCharsMax = 1_024;
const words: ReadonlyMap<string, boolean | null> = new Map([
  ['true', true],
  ['false', false],
  ['null', null],
]);

/**
 * JSON text (RFC 8259) in steps: `JSON.parse` takes all of a long text in one, in which nobody else has a turn. Objects
 * have no prototype, so that a member of any name is a member and nothing else.
 * @param text UTF-8 in pieces, which may end within a character
 * @throws {DicomParseError} when it is none, or has a member twice in an object: of two patients nobody knows which one a
 *   reader takes (RFC 8259 4). It does not quote the text, which holds names
 */
export function parseJson(text: readonly Uint8Array[]): Steps<unknown> {
  return new JsonText(text).whole();
}

const notJson = (): DicomParseError => new DicomParseError('This is no JSON text in UTF-8');

class JsonText {
  readonly #pieces: Iterator<Uint8Array>;
  readonly #count = new StepCount();
  #piece: Buffer = Buffer.alloc(0);
  #at = 0;
  /** The first backslash of the piece from here on: looked for once, however many strings there are before it. */
  #backslashAt = -1;

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces[Symbol.iterator]();
  }

  *whole(): Steps<unknown> {
    const value = yield* this.#value(0);
    if (this.#next() !== undefined) throw notJson();
    return value;
  }

  *#value(depth: number): Steps<unknown> {
    const byte = this.#next();
    if (byte === openObject) return yield* this.#object(depth + 1);
    if (byte === openArray) return yield* this.#array(depth + 1);
    return this.#scalar(byte);
  }

  *#object(depth: number): Steps<unknown> {
    if (depth > depthMax) throw notJson();
    const members = Object.create(null) as Record<string, unknown>;
    this.#at++;
    if (this.#next() === closeObject) return this.#end(members);
    for (;;) {
      if (this.#next() !== quote) throw notJson();
      const name = this.#string();
      if (name in members) throw new DicomParseError('An object of the JSON text has a member twice');
      this.#expect(colon);
      const byte = this.#next();
      members[name] = byte === openObject || byte === openArray ? yield* this.#value(depth) : this.#scalar(byte);
      if (this.#count.isDue()) yield;
      if (this.#next() === closeObject) return this.#end(members);
      this.#expect(comma);
    }
  }

  *#array(depth: number): Steps<unknown> {
    if (depth > depthMax) throw notJson();
    const values: unknown[] = [];
    this.#at++;
    if (this.#next() === closeArray) return this.#end(values);
    for (;;) {
      const byte = this.#next();
      values.push(byte === openObject || byte === openArray ? yield* this.#value(depth) : this.#scalar(byte));
      if (this.#count.isDue()) yield;
      if (this.#next() === closeArray) return this.#end(values);
      this.#expect(comma);
    }
  }

  /** Behind the bracket. */
  #end<T>(value: T): T {
    this.#at++;
    return value;
  }

  #expect(wanted: number): void {
    if (this.#next() !== wanted) throw notJson();
    this.#at++;
  }

  /** The byte that comes next, blanks aside; undefined at the end. It is not taken yet. */
  #next(): number | undefined {
    for (;;) {
      const byte = this.#peek();
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
      this.#at++;
    }
  }

  #peek(): number | undefined {
    while (this.#at >= this.#piece.length) {
      const next = this.#pieces.next();
      if (next.done === true) return undefined;
      const { buffer, byteOffset, byteLength } = next.value;
      this.#piece = Buffer.from(buffer, byteOffset, byteLength);
      this.#at = 0;
      this.#backslashAt = -1;
    }
    return this.#piece[this.#at];
  }

  #scalar(first: number | undefined): unknown {
    if (first === quote) return this.#string();
    let text = '';
    for (let byte = first; byte !== undefined && isOfWord(byte); byte = this.#peek()) {
      text += String.fromCharCode(byte);
      if (text.length > wordCharsMax) throw notJson();
      this.#at++;
    }
    const word = words.get(text);
    if (word !== undefined) return word;
    if (!numberPattern.test(text)) throw notJson();
    return Number(text);
  }

  #string(): string {
    this.#at++;
    const parts: Buffer[] = [];
    let isPlain = true;
    for (;;) {
      if (this.#peek() === undefined) throw notJson();
      const begin = this.#at;
      const { end, escapes } = this.#endOfString(begin);
      isPlain &&= !escapes;
      parts.push(this.#piece.subarray(begin, end));
      this.#at = end;
      if (this.#piece[end] === quote) break;
      // The text goes on in the next piece, behind an escape that is cut off too.
      if (escapes && this.#isCutEscape(begin, end)) parts.push(this.#taken());
    }
    this.#at++;
    return textOf(parts, isPlain);
  }

  /** Where the string ends in this piece: at its quotation mark, or at the end of the piece. */
  #endOfString(begin: number): { readonly end: number; readonly escapes: boolean } {
    const { length } = this.#piece;
    let escapes = false;
    let found = this.#piece.indexOf(quote, begin);
    for (let from = begin; from < length;) {
      // Each is looked for again only where it was passed: a text of escapes alone would be read once for each.
      if (found >= 0 && found < from) found = this.#piece.indexOf(quote, from);
      const end = found < 0 ? length : found;
      if (this.#backslashAt < from) {
        const next = this.#piece.indexOf(backslash, from);
        this.#backslashAt = next < 0 ? length : next;
      }
      if (this.#backslashAt >= end) return { end, escapes };
      escapes = true;
      // Whatever is escaped is no end.
      from = this.#backslashAt + 2;
    }
    return { end: length, escapes };
  }

  /** True when the piece ends with a backslash that escapes what the next one begins with. */
  #isCutEscape(begin: number, end: number): boolean {
    let backslashes = 0;
    for (let at = end - 1; at >= begin && this.#piece[at] === backslash; at--) backslashes++;
    return (backslashes & 1) === 1;
  }

  #taken(): Buffer {
    if (this.#peek() === undefined) throw notJson();
    return this.#piece.subarray(this.#at, ++this.#at);
  }
}

/** @param isPlain there is no escape in it */
function textOf(parts: readonly Buffer[], isPlain: boolean): string {
  const [first = Buffer.alloc(0)] = parts;
  const bytes = parts.length === 1 ? first : Buffer.concat(parts);
  const isPlainAscii = isAscii(bytes);
  if (!isPlainAscii && !isUtf8(bytes)) throw notJson();
  const text = bytes.toString(isPlainAscii ? 'latin1' : 'utf8');
  if (isPlain) {
    if (/[\0-\x1f]/.test(text)) throw notJson();
    return text;
  }
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    throw notJson();
  }
}
