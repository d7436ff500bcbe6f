import { characterSets } from 'dicom-character-set';

/**
 * The defined terms of a Specific Character Set, spelled as PS3.3 C.12.1.1.2 does: upper case, "ISO-IR 100" (a common
 * misspelling) as "ISO_IR 100". With code extensions a single-byte term is written "ISO 2022 IR 100" whatever was sent.
 * @param characterSet values of (0008,0005) joined by a backslash; '' is the default repertoire
 */
export function characterSetTerms(characterSet: string): string[] {
  const terms = characterSet.split('\\').map((term) =>
    term
      .trim()
      .toUpperCase()
      .replace(/^ISO[-_ ]IR[ _]?/, 'ISO_IR ')
      .replace(/^ISO[-_ ]2022[-_ ]IR[-_ ]?/, 'ISO 2022 IR '),
  );
  return terms.length > 1 ? terms.map((term) => term.replace(/^ISO_IR (?!192$)/, 'ISO 2022 IR ')) : terms;
}

/** True when escape sequences may stand in the text. */
export const isCodeExtended = (terms: readonly string[]): boolean =>
  terms.length > 1 || terms.some((term) => term.startsWith('ISO 2022'));

/** Latin alphabet No. 9, which the standard took up in 2020: the list that text is read by does not have it yet. */
export function knowLatin9(): void {
  const [latin1] = characterSets['ISO 2022 IR 100']?.elements ?? [];
  characterSets['ISO_IR 203'] ??= { encoding: 'iso-8859-15' };
  characterSets['ISO 2022 IR 203'] ??= {
    extension: true,
    elements: [
      ...(latin1 ? [latin1] : []),
      { codeElement: 'G1', escapeSequence: [0x1b, 0x2d, 0x62], encoding: 'iso-8859-15', bytesPerCodePoint: 1 },
    ],
  };
}
