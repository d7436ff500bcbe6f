import { DicomWriteError } from './errors.js';
import type { DicomJson, DicomJsonElement, DicomJsonValue, PersonName } from './json.js';
import { dictionaryEntry, isPrivate, type Tag } from './tags.js';
import { xmlAttribute, xmlText } from './xml-text.js';

/** What a document of the Native DICOM Model begins and ends with (PS3.19 A.1). */
export const xmlHead =
  '<?xml version="1.0" encoding="UTF-8"?>\n' +
  '<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM" xml:space="preserve">';
export const xmlFoot = '</NativeDicomModel>\n';

/** The attributes of a dataset, in the order of their tags. */
export function* attributesOf(dataset: DicomJson): Generator<string> {
  const creators = creatorsOf(dataset);
  // An object lists "54000100" before "00080005": what looks like an array index comes first in JavaScript.
  for (const tag of Object.keys(dataset).sort()) {
    const element = dataset[tag];
    if (element === undefined || tag.endsWith('0000') || isCreator(tag)) continue;
    yield* attribute(tag, element, creators);
  }
}

/** The tag of an attribute that is begun, without its end. @param creators of its dataset, by their tags */
export const attributeBegin = (tag: Tag, vr: string, creators: ReadonlyMap<string, string>): string =>
  `<DicomAttribute ${nameOf(tag, creators)} vr="${xmlAttribute(vr)}"`;

/** One attribute. @param creators of its dataset, by their tags */
export function* attribute(
  tag: Tag,
  element: DicomJsonElement,
  creators: ReadonlyMap<string, string>,
): Generator<string> {
  const begin = attributeBegin(tag, element.vr, creators);
  const values = element.Value ?? [];
  if (element.fragments !== undefined)
    throw new DicomWriteError(`${tag} has fragments, which XML cannot hold: give a BulkDataURI`);
  const content = binaryOf(element);
  if (content === undefined && values.length === 0) {
    yield `${begin}/>`;
    return;
  }
  yield `${begin}>`;
  if (content !== undefined) yield content;
  else if (element.vr === 'SQ') yield* items(values);
  else if (element.vr === 'PN') yield* numbered('PersonName', values.map(groupsOf));
  else
    yield* numbered(
      'Value',
      values.map((value) => xmlText(valueText(value, element.vr))),
    );
  yield '</DicomAttribute>';
}

/** XML attributes tag, keyword, privateCreator (Table A.1.5-2). */
function nameOf(tag: Tag, creators: ReadonlyMap<string, string>): string {
  if (isPrivate(tag)) {
    const creator = creators.get(blockOf(tag));
    if (creator === undefined) return `tag="${xmlAttribute(tag)}"`;
    return `tag="${xmlAttribute(`${tag.slice(0, 4)}00${tag.slice(6)}`)}" privateCreator="${xmlAttribute(creator)}"`;
  }
  const keyword = dictionaryEntry(tag)?.keyword.replace(/^RETIRED_/, '');
  return `tag="${xmlAttribute(tag)}"${keyword === undefined ? '' : ` keyword="${xmlAttribute(keyword)}"`}`;
}

/** Private Creator attributes: (gggg,0010) to (gggg,00FF) of odd groups (PS3.5 7.8.1). */
export const isCreator = (tag: Tag): boolean => isPrivate(tag) && /^[0-9A-F]{4}00[1-9A-F][0-9A-F]$/.test(tag);
/** Group and block of a private tag: the creator of (0009,10xx) stands in (0009,0010). */
const blockOf = (tag: Tag): string => `${tag.slice(0, 4)}00${tag.slice(4, 6)}`;

/** The creators that this dataset names. Each item reserves blocks for itself (PS3.5 7.8.1). */
function creatorsOf(dataset: DicomJson): ReadonlyMap<string, string> {
  const creators = new Map<string, string>();
  for (const [tag, { Value: values }] of Object.entries(dataset)) {
    const creator = values?.[0];
    if (isCreator(tag) && typeof creator === 'string' && creator !== '') creators.set(tag, creator);
  }
  return creators;
}

/** BulkData or InlineBinary; undefined for a value that is neither. */
function binaryOf({ BulkDataURI: uri, InlineBinary: inline, bytes }: DicomJsonElement): string | undefined {
  if (uri !== undefined) return `<BulkData uri="${xmlAttribute(uri)}"/>`;
  const base64 = inline ?? (bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64'));
  return base64 ? `<InlineBinary>${xmlText(base64)}</InlineBinary>` : undefined;
}

/** One element a value, numbered from 1; an empty one keeps its place. */
function* numbered(name: string, contents: readonly string[]): Generator<string> {
  for (const [i, content] of contents.entries()) {
    const begin = `<${name} number="${String(i + 1)}"`;
    yield content === '' ? `${begin}/>` : `${begin}>${content}</${name}>`;
  }
}

function* items(values: readonly DicomJsonValue[]): Generator<string> {
  for (const [i, item] of values.entries()) {
    yield `<Item number="${String(i + 1)}">`;
    if (isRecord(item)) yield* attributesOf(item as DicomJson);
    yield '</Item>';
  }
}

const isRecord = (value: DicomJsonValue): value is PersonName | DicomJson =>
  typeof value === 'object' && value !== null;

function valueText(value: DicomJsonValue, vr: string): string {
  if (value === null) return '';
  if (typeof value === 'number') return vr === 'DS' ? decimalText(value) : String(value);
  if (typeof value === 'string') return vr === 'AT' ? value.toUpperCase() : value;
  throw new DicomWriteError(`a value of ${vr} is neither text nor a number`);
}

/** All digits of a number, in the shorter of its two forms where one of them has more than the 16 characters of DS. */
function decimalText(value: number): string {
  const plain = String(value);
  const exponential = plain.length > 16 ? value.toExponential() : plain;
  return exponential.length < plain.length ? exponential : plain;
}

const groups = ['Alphabetic', 'Ideographic', 'Phonetic'] as const;
const components = ['FamilyName', 'GivenName', 'MiddleName', 'NamePrefix', 'NameSuffix'] as const;

/** Component groups of a name, each parsed into its components (PS3.5 6.2.1; PS3.19 Table 10.2-1). */
function groupsOf(value: DicomJsonValue): string {
  const name: PersonName = isRecord(value)
    ? (value as PersonName)
    : value === null
      ? {}
      : { Alphabetic: String(value) };
  return groups.map((group) => groupOf(group, name[group] ?? '')).join('');
}

function groupOf(group: string, text: string): string {
  const given = text.split('^');
  // PS3.5 knows five components. What stands behind them is no component, and is not lost either.
  const five = [...given.slice(0, 4), given.slice(4).join('^')];
  const content = components
    .map((component, i) => (five[i] ? `<${component}>${xmlText(five[i])}</${component}>` : ''))
    .join('');
  return content === '' ? '' : `<${group}>${content}</${group}>`;
}
