import { DicomWriteError } from './errors.js';
import { personName, type DicomJson, type DicomJsonElement, type DicomJsonValue } from './json.js';
import { dictionaryEntry, tagOf } from './tags.js';

/** A value of an attribute by keyword: text, number, bytes, or items of a sequence; arrays are multi-valued. */
export type AttributeValue =
  string | number | null | undefined | Uint8Array | Attributes | readonly (string | number | Attributes)[];

/** A dataset by keyword (or tag): `{ PatientID: 'A', Rows: 512, ContentSequence: [{ ValueType: 'NUM' }] }`. */
export interface Attributes {
  readonly [keywordOrTag: string]: AttributeValue;
}

/**
 * The DICOM JSON of attributes by keyword, each with the VR of PS3.6: what `writeFile` takes. `undefined` leaves the
 * attribute out; `null` and '' give an empty one (type 2). A PN is text with '^' and '='.
 * Thrown when a keyword is unknown (RangeError) or a value does not fit its VR (DicomWriteError).
 */
export function datasetOf(attributes: Attributes, vrs: Readonly<Record<string, string>> = {}): DicomJson {
  const json: DicomJson = {};
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined) continue;
    const tag = tagOf(key);
    const vr = vrs[key] ?? dictionaryEntry(tag)?.vr;
    if (vr === undefined) throw new DicomWriteError(`${tag} has no VR in the dictionary: state it`);
    json[tag] = elementOf(key, vr, value, vrs);
  }
  return json;
}

function elementOf(
  key: string,
  vr: string,
  value: Exclude<AttributeValue, undefined>,
  vrs: Readonly<Record<string, string>>,
): DicomJsonElement {
  if (value === null || value === '') return { vr };
  if (value instanceof Uint8Array) return { vr, bytes: value };
  const values = Array.isArray(value)
    ? (value as readonly (string | number | Attributes)[])
    : [value as string | number | Attributes];
  if (values.length === 0) return { vr };
  return { vr, Value: values.map((one) => valueOf(key, vr, one, vrs)) };
}

function valueOf(
  key: string,
  vr: string,
  value: string | number | Attributes,
  vrs: Readonly<Record<string, string>>,
): DicomJsonValue {
  if (typeof value === 'object') {
    if (vr !== 'SQ') throw new DicomWriteError(`${key} (${vr}) takes no items`);
    return datasetOf(value, vrs);
  }
  if (vr === 'SQ') throw new DicomWriteError(`${key} is a sequence: give items`);
  if (vr === 'PN') return personName(String(value));
  return value;
}
