import { DicomWriteError } from './errors.js';
import type { DicomJson, DicomJsonElement } from './json.js';
import type { Tag } from './tags.js';

/**
 * The text of a dataset of the DICOM JSON Model, its attributes in ascending order at all levels, as PS3.18 F.2.2 wants
 * them. `JSON.stringify` does not keep that order: JavaScript takes "54000100" for an index and lists it before
 * "00080005", also in an object that was read from text in the right order.
 * @throws {DicomWriteError} for encapsulated fragments, which only a BulkDataURI can stand for
 */
export function dicomJsonText(dataset: DicomJson): string {
  const tags = Object.keys(dataset);
  if (tags.every((tag, i) => keepsItsPlace(tag, tags[i - 1]) && isPlain(dataset[tag]))) return JSON.stringify(dataset);
  const attributes = tags.sort().flatMap((tag) => {
    const element = dataset[tag];
    return element ? [`${JSON.stringify(tag)}:${attributeText(tag, element)}`] : [];
  });
  return `{${attributes.join(',')}}`;
}

/** Whether JavaScript lists it where it was put, and that is where it belongs: no index begins with a 0. */
const keepsItsPlace = (tag: Tag, before: Tag | undefined): boolean =>
  tag.startsWith('0') && (before === undefined || before < tag);

/**
 * What `JSON.stringify` writes as it is to be: nearly every answer of a search is of these alone, and written at once it
 * takes a third.
 */
const isPlain = (element: DicomJsonElement | undefined): boolean =>
  element === undefined ||
  (element.vr !== 'SQ' && !element.bytes && element.pieces === undefined && element.fragments === undefined);

function attributeText(tag: Tag, element: DicomJsonElement): string {
  const { vr, Value: values, BulkDataURI, InlineBinary, bytes, fragments } = element;
  if (fragments !== undefined)
    throw new DicomWriteError(`${tag} has fragments, which JSON cannot hold: give a BulkDataURI`);
  if (vr === 'SQ' && values) {
    const items = values.map((item) => dicomJsonText((item ?? {}) as DicomJson));
    return `{"vr":"SQ","Value":[${items.join(',')}]}`;
  }
  if (!bytes) return JSON.stringify({ vr, Value: values, BulkDataURI, InlineBinary });
  const base64 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
  return JSON.stringify(base64 === '' ? { vr } : { vr, InlineBinary: base64 });
}
