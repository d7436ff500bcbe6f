/**
 * Text from elsewhere as a `string` of FHIR (R4 2.24.0.1), whose pattern is `[ \r\n\t\S]+`: of white space only these four
 * stand in one, and no control character. Others become spaces, a no-break space among them; none is left at the ends.
 * Empty where nothing is left: an element that would hold it is left out.
 */
export const stringOf = (text: string): string =>
  text
    .toWellFormed()
    .replace(/(?![\r\n\t])[\s\p{Cc}]/gu, ' ')
    .trim();

/** The same as a `code`: single spaces between what stands in it, and none around. */
export const codeOf = (text: string): string => stringOf(text).replace(/\s+/g, ' ');
