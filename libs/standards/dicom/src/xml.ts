import type { DicomJson } from './json.js';
import { attributesOf, xmlFoot, xmlHead } from './xml-attributes.js';

/** Characters of a string that is given, at least: the text of an attribute each would be some fifty. */
const givenCharsMin = 16 * 1024;

/**
 * A dataset of the DICOM JSON Model as a document of the Native DICOM Model (PS3.19 A.1, media type
 * application/dicom+xml): UTF-8 text in strings of some 16 Ki characters, with nothing between its elements, since all
 * white space counts. Attributes are in the order of their tags; group lengths are left out (PS3.19 A.1.5).
 *
 * A private attribute has the Private Creator of its block beside it and no block in its tag, (gggg,00ee); the Private
 * Creator attributes are not written beside that. One whose block nobody reserved keeps its tag as it was.
 *
 * Characters that XML 1.0 cannot hold are U+FFFD. DS and IS are written as JSON has them, numbers in at most 16
 * characters where they fit (PS3.5 6.2).
 * @throws {DicomWriteError} for encapsulated fragments, which only a BulkDataURI can stand for
 */
export function* toDicomXml(dataset: DicomJson): Generator<string> {
  let text = xmlHead;
  for (const part of attributesOf(dataset)) {
    text += part;
    if (text.length < givenCharsMin) continue;
    yield text;
    text = '';
  }
  yield text + xmlFoot;
}
