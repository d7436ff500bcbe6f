import { invert } from './code-elements.js';

// GBK and GB 18030 stand alone: no escape sequences (PS3.3 C.12.1.1.2, table C.12-5).

let twoBytes: ReadonlyMap<number, number> | undefined;
let fourBytes: ReadonlyMap<number, number> | undefined;

/** Codes of two bytes: lead 81-FE, trail 40-7E and 80-FE. */
function buildTwoBytes(): ReadonlyMap<number, number> {
  const codes: number[] = [];
  const bytes: number[] = [];
  for (let lead = 0x81; lead <= 0xfe; lead++) {
    for (let trail = 0x40; trail <= 0xfe; trail++) {
      if (trail === 0x7f) continue;
      codes.push((lead << 8) | trail);
      bytes.push(lead, trail, 0x0a);
    }
  }
  return invert(new TextDecoder('gb18030').decode(Uint8Array.from(bytes)), codes);
}

/** Codes of four bytes count up from 81 30 81 30; so many of them are for the Basic Multilingual Plane. */
const bmpCodes = 39_420;
/** Where the other planes begin in that count. */
const supplementaryStart = 189_000;

const fourBytesOf = (index: number): number[] => [
  Math.floor(index / 12_600) + 0x81,
  (Math.floor(index / 1_260) % 10) + 0x30,
  (Math.floor(index / 10) % 126) + 0x81,
  (index % 10) + 0x30,
];

function buildFourBytes(): ReadonlyMap<number, number> {
  const codes = Array.from({ length: bmpCodes }, (_, index) => index);
  const bytes = new Uint8Array(bmpCodes * 5);
  for (const index of codes) bytes.set([...fourBytesOf(index), 0x0a], index * 5);
  return invert(new TextDecoder('gb18030').decode(bytes), codes);
}

/**
 * The bytes of one character; undefined when the set does not have it.
 * @param extended GB 18030, which has all of Unicode; else GBK
 */
export function chineseBytes(codePoint: number, extended: boolean): readonly number[] | undefined {
  if (codePoint < 0x80) return [codePoint];
  const code = (twoBytes ??= buildTwoBytes()).get(codePoint);
  if (code !== undefined) return [code >> 8, code & 0xff];
  if (!extended) return undefined;
  if (codePoint > 0xffff) return fourBytesOf(codePoint - 0x10000 + supplementaryStart);
  const index = (fourBytes ??= buildFourBytes()).get(codePoint);
  return index === undefined ? undefined : fourBytesOf(index);
}
