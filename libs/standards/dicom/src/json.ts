import { withoutEnd } from '@callosum/kernel';
import { DicomDataset, isTextVr, numericValues, textValues, type DicomElement } from './dataset.js';
import { DicomParseError } from './errors.js';
import { atOnce, StepCount, type Steps } from './parse/loop-turns.js';
import type { Tag } from './tags.js';
import { bulkVrs } from './vr.js';

/** A Person Name in component groups (PS3.18 F.2.2). */
export interface PersonName {
  Alphabetic?: string;
  Ideographic?: string;
  Phonetic?: string;
}
export type DicomJsonValue = string | number | null | PersonName | DicomJson;

/** Bytes in one piece, or in several that stand one behind the other. */
export type BytePieces = Uint8Array | readonly Uint8Array[];

/** One attribute of the DICOM JSON Model (PS3.18 F.2.2), or with its value as bytes, which `writeFile` takes too. */
export interface DicomJsonElement {
  vr: string;
  Value?: DicomJsonValue[];
  BulkDataURI?: string;
  /** Base64. */
  InlineBinary?: string;
  /** Little-endian value bytes; only inside this process, never in JSON text. */
  bytes?: Uint8Array;
  /** The same in several pieces, of an element that is only written. */
  pieces?: readonly Uint8Array[];
  /** Encapsulated Pixel Data as fragments, Basic Offset Table first; only inside this process. */
  fragments?: readonly BytePieces[];
}

/** A dataset of the DICOM JSON Model: attributes by tag (eight upper-case hex digits). */
export interface DicomJson {
  [tag: Tag]: DicomJsonElement;
}

export interface ToDicomJsonOptions {
  /**
   * The URI of a bulk value. `path` names it inside the instance: tags and item numbers from 0, joined by '/':
   * "7FE00010", "54000100/0/54001010".
   */
  readonly bulkDataUri?: (path: string) => string;
  /** Larger binary values become BulkDataURI, when `bulkDataUri` is given. Default 1024: icons and LUTs stay, pixels go. */
  readonly inlineBytesMax?: number;
  /** Leave binary values out where they would become BulkDataURI: the attribute stays with its VR only. */
  readonly omitBulkData?: boolean;
}

/** A dataset in the DICOM JSON Model (PS3.18 F.2). Group lengths are left out (F.2.2); order is by tag. */
export function toDicomJson(dataset: DicomDataset, options: ToDicomJsonOptions = {}, path = ''): DicomJson {
  const json: DicomJson = {};
  for (const element of dataset) {
    if (element.tag.endsWith('0000')) continue;
    // A sequence left out of a header is not there: as an empty one it would say something else (F.2.2 knows no URI of one).
    if (element.vr === 'SQ' && element.notLoaded === true) continue;
    json[element.tag] = elementToJson(element, dataset.characterSet, options, `${path}${element.tag}`);
  }
  // The JSON text is UTF-8 whatever the object was (F.2.2).
  if (json['00080005']) json['00080005'] = { vr: 'CS', Value: ['ISO_IR 192'] };
  return json;
}

/** True where a header has sequences that were not loaded, which `toDicomJson` leaves out: `longDataset` has them. */
export const lacksSequences = (dataset: DicomDataset): boolean =>
  [...dataset].some(({ vr, notLoaded }) => vr === 'SQ' && notLoaded === true);

function elementToJson(
  element: DicomElement,
  characterSet: string,
  options: ToDicomJsonOptions,
  path: string,
): DicomJsonElement {
  const { vr } = element;
  if (vr === 'SQ') {
    const items = (element.items ?? []).map((item, i) => toDicomJson(item, options, `${path}/${String(i)}/`));
    return items.length === 0 ? { vr } : { vr, Value: items };
  }
  if (bulkVrs.has(vr) || element.notLoaded === true) return binaryToJson(element, options, path);
  if (element.value.length === 0) return { vr };
  const values = isTextVr(vr) ? textToJson(element, characterSet) : numbersToJson(element);
  return values.length === 0 ? { vr } : { vr, Value: values };
}

function binaryToJson(element: DicomElement, options: ToDicomJsonOptions, path: string): DicomJsonElement {
  const { vr, value } = element;
  const isBulk =
    element.notLoaded === true || element.fragments !== undefined || value.length > (options.inlineBytesMax ?? 1024);
  if (isBulk && options.omitBulkData === true) return { vr };
  if (isBulk && options.bulkDataUri) return { vr, BulkDataURI: options.bulkDataUri(path) };
  if (element.notLoaded === true || element.fragments)
    throw new DicomParseError(`${path} has no value to put inline: give bulkDataUri`);
  return value.length === 0
    ? { vr }
    : { vr, InlineBinary: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') };
}

function textToJson(element: DicomElement, characterSet: string): DicomJsonValue[] {
  const values = textValues(element, characterSet);
  switch (element.vr) {
    case 'PN':
      return values.map((value) => (value === '' ? null : personName(value)));
    case 'DS':
    case 'IS':
      return values.map((value) => (value === '' ? null : decimal(value)));
    default:
      return values.map((value) => (value === '' ? null : value));
  }
}

/** F.2.3: DS and IS are numbers, or strings where a number would lose what was written. */
function decimal(text: string): number | string {
  const value = Number(text);
  return Number.isFinite(value) && /^[+-]?(\d|\.\d)/.test(text) && Math.abs(value) <= Number.MAX_SAFE_INTEGER
    ? value
    : text;
}

function numbersToJson(element: DicomElement): DicomJsonValue[] {
  return numericValues(element).map((value) => {
    if (element.vr === 'AT') return value.toString(16).toUpperCase().padStart(8, '0');
    if (typeof value === 'bigint') return value.toString();
    if (Number.isNaN(value)) return 'NaN';
    return Number.isFinite(value) ? value : value > 0 ? 'inf' : '-inf';
  });
}

/** Component groups of a PN value (PS3.5 6.2.1). */
export function personName(value: string): PersonName {
  const [alphabetic, ideographic, phonetic] = value.split('=');
  return {
    ...(alphabetic ? { Alphabetic: alphabetic } : {}),
    ...(ideographic ? { Ideographic: ideographic } : {}),
    ...(phonetic ? { Phonetic: phonetic } : {}),
  };
}

/** A PN value of its component groups; empty groups at the end are dropped. */
export function personNameText(name: PersonName): string {
  return withoutEnd([name.Alphabetic ?? '', name.Ideographic ?? '', name.Phonetic ?? ''].join('='), '=');
}

/** Items in items deeper than this are refused, as in the parser. */
const jsonDepthMax = 64;

/**
 * A dataset of the DICOM JSON Model from parsed JSON text of outside: shapes checked, unknown members dropped.
 * `writeFile` takes the result once bulk data URIs have been replaced by `bytes`.
 * Thrown when it is no such dataset: DicomParseError.
 */
export const fromDicomJson = (json: unknown): DicomJson => atOnce(dicomJsonSteps(json));

/** The same in steps, for what may be long. */
export const dicomJsonSteps = (json: unknown): Steps<DicomJson> => datasetOfJson(json, 0, new StepCount());

function* datasetOfJson(json: unknown, depth: number, count: StepCount): Steps<DicomJson> {
  if (!isRecord(json) || depth > jsonDepthMax)
    throw notDicomJson(depth > jsonDepthMax ? 'nested too deep' : 'a dataset is no object');
  // An item without elements is a step too.
  if (count.isDue()) yield;
  const dataset: DicomJson = {};
  for (const tag of Object.keys(json)) {
    if (!/^[0-9A-Fa-f]{8}$/.test(tag)) throw notDicomJson('a member is no tag');
    if (Object.hasOwn(dataset, tag.toUpperCase())) throw notDicomJson(`${tag} is there twice`);
    const { vr, values, ...binary } = attributeOf(tag, json[tag]);
    let element: DicomJsonElement = { vr, ...binary };
    if (values && vr === 'SQ') {
      const items: DicomJson[] = [];
      for (const item of values) items.push(item === null ? {} : yield* datasetOfJson(item, depth + 1, count));
      element = { vr, Value: items };
    } else if (values) element = { vr, Value: values.map((value) => valueFromJson(tag, vr, value)) };
    dataset[tag.toUpperCase()] = element;
    if (count.isDue(1 + (values?.length ?? 0))) yield;
  }
  return dataset;
}

const notDicomJson = (why: string): DicomParseError =>
  new DicomParseError(`This is no DICOM JSON (PS3.18 F.2): ${why}`);
const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

interface JsonAttribute extends Pick<DicomJsonElement, 'vr' | 'BulkDataURI' | 'InlineBinary'> {
  readonly values?: readonly unknown[];
}

function attributeOf(tag: string, attribute: unknown): JsonAttribute {
  if (!isRecord(attribute)) throw notDicomJson(`${tag} is no object`);
  const { vr, Value: values, BulkDataURI: uri, InlineBinary: inline } = attribute;
  if (typeof vr !== 'string' || !/^[A-Z]{2}$/.test(vr)) throw notDicomJson(`${tag} has no VR`);
  if (typeof uri === 'string') return { vr, BulkDataURI: uri };
  if (typeof inline === 'string') return { vr, InlineBinary: inline };
  if (values === undefined) return { vr };
  if (!Array.isArray(values)) throw notDicomJson(`${tag} has a Value that is no array`);
  return { vr, values };
}

function valueFromJson(tag: string, vr: string, value: unknown): DicomJsonValue {
  if (value === null || typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value)))
    return value;
  if (vr !== 'PN' || !isRecord(value)) throw notDicomJson(`${tag} (${vr}) has a value of another type`);
  const { Alphabetic: alphabetic, Ideographic: ideographic, Phonetic: phonetic } = value;
  return {
    ...(typeof alphabetic === 'string' ? { Alphabetic: alphabetic } : {}),
    ...(typeof ideographic === 'string' ? { Ideographic: ideographic } : {}),
    ...(typeof phonetic === 'string' ? { Phonetic: phonetic } : {}),
  };
}
