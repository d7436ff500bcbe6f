/** What an XML 1.0 document cannot hold, not even by number (XML 1.0 2.2): most control characters, half a pair, two more. */
const notOfXml =
  /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
/** Markup, and what a parser or an editor would change on the way: CR becomes LF (2.11), C1 and DEL are dropped by some. */
const markup = /[&<>\r\x7f-\x9f]/g;
/** White space of an attribute becomes a space (3.3.3). */
const markupOfAttribute = /[&<>"\t\n\r\x7f-\x9f]/g;
const named: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

const byNumber = (character: string): string =>
  named[character] ?? `&#x${character.charCodeAt(0).toString(16).toUpperCase()};`;

/**
 * Text as character data of XML 1.0: a parser gives the same text back, but for characters that XML cannot hold (form
 * feed and escape among them): each is U+FFFD, so that something is seen to have stood there.
 */
export const xmlText = (text: string): string => text.replace(notOfXml, '\ufffd').replace(markup, byNumber);

/** The same for the value of an attribute, between quotation marks. */
export const xmlAttribute = (text: string): string =>
  text.replace(notOfXml, '\ufffd').replace(markupOfAttribute, byNumber);
