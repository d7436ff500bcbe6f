/**
 * One coded character set that ISO 2022 invokes (PS3.3 tables C.12-3 and C.12-4): into G0, whose bytes are 21-7E, or
 * into G1, whose bytes are A1-FE.
 */
export interface CodeElement {
  readonly plane: 'G0' | 'G1';
  /** The escape sequence that designates it. */
  readonly escape: readonly number[];
  /** Bytes of one character. */
  readonly width: 1 | 2;
  /** The code of a character, its first byte the higher one; undefined when the set does not have it. */
  codeOf(codePoint: number): number | undefined;
}

const ESC = 0x1b;

/** PS3.5 6.1.3: the control characters that text may hold; ESC is none of text but of the encoding. */
const isPlainControl = (codePoint: number): boolean =>
  codePoint === 0x09 || codePoint === 0x0a || codePoint === 0x0c || codePoint === 0x0d;

/** ISO-IR 6, ASCII. Other control characters are carried as they came; ESC would be read as an escape sequence. */
export const ascii: CodeElement = {
  plane: 'G0',
  escape: [ESC, 0x28, 0x42],
  width: 1,
  codeOf: (codePoint) => (codePoint < 0x80 && codePoint !== ESC ? codePoint : undefined),
};

/**
 * ISO-IR 14, JIS X 0201 Romaji: ASCII but for the yen sign at 5C and the overline at 7E. Neither is written, nor the
 * backslash and tilde that stand there in ASCII: readers differ in which of the two they see.
 */
export const jisRomaji: CodeElement = {
  plane: 'G0',
  escape: [ESC, 0x28, 0x4a],
  width: 1,
  codeOf: (codePoint) =>
    (codePoint >= 0x20 && codePoint < 0x7e && codePoint !== 0x5c) || isPlainControl(codePoint) ? codePoint : undefined,
};

/** ISO-IR 13, JIS X 0201 Katakana: half width. */
export const jisKatakana: CodeElement = {
  plane: 'G1',
  escape: [ESC, 0x29, 0x49],
  width: 1,
  codeOf: (codePoint) => (codePoint >= 0xff61 && codePoint <= 0xff9f ? codePoint - 0xff61 + 0xa1 : undefined),
};

/** A table that is made from its decoder when the first character is asked for. */
function lazily(build: () => ReadonlyMap<number, number>): (codePoint: number) => number | undefined {
  let table: ReadonlyMap<number, number> | undefined;
  return (codePoint) => (table ??= build()).get(codePoint);
}

const replacement = 0xfffd;

/**
 * The upper half of an ISO 8859 part. The decoder's label may name the vendor's superset of it, which differs in
 * 80-9F alone.
 */
function upperHalf(finalByte: number, label: string, from = 0xa0): CodeElement {
  return {
    plane: 'G1',
    escape: [ESC, 0x2d, finalByte],
    width: 1,
    codeOf: lazily(() => {
      const bytes = Uint8Array.from({ length: 0x100 - from }, (_, i) => from + i);
      const table = new Map<number, number>();
      [...new TextDecoder(label).decode(bytes)].forEach((character, i) => {
        const codePoint = character.codePointAt(0) ?? replacement;
        if (codePoint !== replacement) table.set(codePoint, from + i);
      });
      return table;
    }),
  };
}

/** Single-byte sets by the number of their ISO-IR registration. */
export const singleByte: Readonly<Record<string, CodeElement>> = {
  '100': {
    plane: 'G1',
    escape: [ESC, 0x2d, 0x41],
    width: 1,
    codeOf: (codePoint) => (codePoint >= 0xa0 && codePoint <= 0xff ? codePoint : undefined),
  },
  '101': upperHalf(0x42, 'iso-8859-2'),
  '109': upperHalf(0x43, 'iso-8859-3'),
  '110': upperHalf(0x44, 'iso-8859-4'),
  '144': upperHalf(0x4c, 'iso-8859-5'),
  '127': upperHalf(0x47, 'iso-8859-6'),
  '126': upperHalf(0x46, 'iso-8859-7'),
  '138': upperHalf(0x48, 'iso-8859-8'),
  '148': upperHalf(0x4d, 'windows-1254'),
  '203': upperHalf(0x62, 'iso-8859-15'),
  // TIS 620 has no no-break space at A0.
  '166': upperHalf(0x54, 'windows-874', 0xa1),
};

/** Rows and cells are 1 to 94; `has` says which of them the standard's edition of the set has. */
function doubleByte(
  plane: 'G0' | 'G1',
  escape: readonly number[],
  label: string,
  prefix: readonly number[],
  has: (row: number, cell: number) => boolean,
): CodeElement {
  return {
    plane,
    escape: [ESC, ...escape],
    width: 2,
    codeOf: lazily(() => {
      const codes: number[] = [];
      const bytes: number[] = [];
      for (let row = 1; row <= 94; row++) {
        for (let cell = 1; cell <= 94; cell++) {
          if (!has(row, cell)) continue;
          codes.push(plane === 'G0' ? ((row + 0x20) << 8) | (cell + 0x20) : ((row + 0xa0) << 8) | (cell + 0xa0));
          bytes.push(...prefix, row + 0xa0, cell + 0xa0, 0x0a);
        }
      }
      return invert(new TextDecoder(label).decode(Uint8Array.from(bytes)), codes);
    }),
  };
}

/** Characters that were decoded one a line, to their codes; of a character with two codes the first one is written. */
export function invert(lines: string, codes: readonly number[]): Map<number, number> {
  const table = new Map<number, number>();
  const decoded = lines.split('\n');
  codes.forEach((code, i) => {
    const characters = [...(decoded[i] ?? '')];
    const codePoint = characters.length === 1 ? (characters[0]?.codePointAt(0) ?? replacement) : replacement;
    if (codePoint !== replacement && !table.has(codePoint)) table.set(codePoint, code);
  });
  return table;
}

/** GB 2312-80 has less than the decoder's GBK in the rows of signs (1 to 9), and a shorter row 55. */
function isGb2312(row: number, cell: number): boolean {
  const ranges = gb2312Signs[row];
  if (ranges) return ranges.some(([from, to]) => cell >= from && cell <= to);
  return row >= 16 && row <= 87 && (row !== 55 || cell <= 89);
}
const gb2312Signs: Readonly<Record<number, readonly (readonly [number, number])[]>> = {
  1: [[1, 94]],
  2: [
    [17, 66],
    [69, 78],
    [81, 92],
  ],
  3: [[1, 94]],
  4: [[1, 83]],
  5: [[1, 86]],
  6: [
    [1, 24],
    [33, 56],
  ],
  7: [
    [1, 33],
    [49, 81],
  ],
  8: [
    [1, 26],
    [37, 73],
  ],
  9: [[4, 79]],
};

/** Multi-byte sets with code extensions, by the number of their ISO-IR registration. */
export const multiByte: Readonly<Record<string, CodeElement>> = {
  // JIS X 0208: the decoder also knows vendors' rows 13 and 89 to 92.
  '87': doubleByte('G0', [0x24, 0x42], 'euc-jp', [], (row) => row <= 8 || (row >= 16 && row <= 84)),
  // JIS X 0212.
  '159': doubleByte('G0', [0x24, 0x28, 0x44], 'euc-jp', [0x8f], () => true),
  // KS X 1001.
  '149': doubleByte('G1', [0x24, 0x29, 0x43], 'euc-kr', [], () => true),
  // GB 2312.
  '58': doubleByte('G1', [0x24, 0x29, 0x41], 'gbk', [], isGb2312),
};
