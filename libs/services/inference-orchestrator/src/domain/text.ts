/** What a result or a manifest says in words and codes must fit the attributes and elements it is published in. */

/** FHIR R4 `code`: no white space at either end, single white space inside. Code values, schemes and units are codes. */
const fhirCode = /^[^\s]+(\s[^\s]+)*$/;
/**
 * SH and LO hold no backslash, which parts values, and no control character (PS3.5 table 6.2-1); surrogates without a
 * partner are no characters, and Unicode's own line ends are ends of lines.
 */
const notOfShortText = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\\]/u;
/** As `notOfShortText`, for text of several lines (UT, `string`): tabs and line breaks may stand there. */
const notOfLongText = /(?![\t\n\r])[\p{Cc}\p{Cs}]/u;

/**
 * What is wrong with a name of at most `charactersMax` characters, for an attribute of VR SH or LO and an element of
 * type `string`; undefined when nothing is. Spaces around it are no part of it to DICOM, but are to FHIR: it has none.
 */
export function problemOfName(text: string, charactersMax: number): string | undefined {
  if (text.trim() === '' || text.length > charactersMax) return `must be 1 to ${charactersMax} characters`;
  if (notOfShortText.test(text)) return 'holds a backslash or control characters, tabs and line breaks among them';
  return text === text.trim() ? undefined : 'begins or ends with white space';
}

/** What is wrong with a code, a coding scheme or a unit, likewise, for VR SH and type `code`. */
export function problemOfCode(text: string, charactersMax: number): string | undefined {
  const problem = problemOfName(text, charactersMax);
  if (problem !== undefined || fhirCode.test(text)) return problem;
  return 'is no FHIR code: white space must be single';
}

/** Without control characters (tab and line breaks aside): it goes into DICOM UT and FHIR text. */
export const isPlainText = (text: string): boolean => !notOfLongText.test(text);
