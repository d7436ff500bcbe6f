import { dictionaryEntry, findTag } from '@callosum/dicom';
import { isUid } from '@callosum/kernel';

import { BadRequestError } from './errors/door.js';

export type QidoLevel = 'study' | 'series' | 'instance';

export interface QidoQuery {
  readonly level: QidoLevel;
  /** Whose attributes are always returned (PS3.18 10.6.3.3): its own, and those above of which the path names no resource. */
  readonly returnedLevels: readonly QidoLevel[];
  readonly matches: readonly { readonly tag: string; readonly value: string }[];
  readonly includeTags: readonly string[];
  readonly includeAll: boolean;
  readonly limit: number;
  readonly offset: number;
  readonly fuzzyMatching: boolean;
  readonly emptyValueMatching: boolean;
  /** What of the request is not done, in words for the client (PS3.18 8.3.4). */
  readonly notDone: readonly string[];
}

export interface ResourcePath {
  readonly studyInstanceUid?: string;
  readonly seriesInstanceUid?: string;
}

const offsetMax = 10_000_000;
const onlyOnce: ReadonlySet<string> = new Set([
  'limit',
  'offset',
  'fuzzymatching',
  'emptyvaluematching',
  'multiplevaluematching',
]);
/** Parameters named in a header, which must not grow with the request; of such characters and length only. */
const namedMax = 20;
const nameable = /^[\w.-]{1,64}$/;

/**
 * Reads a QIDO-RS request (PS3.18 8.3.4): match keys and includefield by keyword or tag, or by a path of them as
 * "RequestAttributesSequence.ScheduledProcedureStepID"; limit, offset, fuzzymatching, emptyvaluematching. A limit of 0 is
 * one: nothing is answered (8.3.4.4.1). A key of UIDs that is repeated is a list of them; no other key or parameter may be, but
 * includefield. A parameter that is neither one of these nor an attribute is ignored (8.3), and
 * named among what is not done.
 * @param path UIDs of the path, which match too
 * @throws {BadRequestError} for a field that is no attribute, a number that is none, what is neither true nor false, or what is
 *   given more than once
 */
export function readQuery(
  level: QidoLevel,
  path: ResourcePath,
  parameters: URLSearchParams,
  limitMax: number,
): QidoQuery {
  const matches: { tag: string; value: string }[] = [];
  const includeTags: string[] = [];
  let includeAll = false;
  let limit = limitMax;
  let offset = 0;
  let fuzzyMatching = false;
  let emptyValueMatching = false;
  const notDone: string[] = [];
  const ignored = new Set<string>();
  /** Of the query alone: a UID of the path is no choice beside them. */
  const keys = new Map<string, string>();
  const given = new Set<string>();
  for (const [keyword, uid] of [
    ['StudyInstanceUID', path.studyInstanceUid],
    ['SeriesInstanceUID', path.seriesInstanceUid],
  ] as const) {
    if (uid === undefined) continue;
    if (!isUid(uid)) throw new BadRequestError(`the ${keyword} of the path is no UID`);
    matches.push({ tag: fieldOf(keyword), value: uid });
  }
  for (const [name, value] of parameters) {
    const parameter = name.toLowerCase();
    if (onlyOnce.has(parameter)) {
      if (given.has(parameter)) throw new BadRequestError(`${parameter} is given more than once`);
      given.add(parameter);
    }
    switch (parameter) {
      case 'limit':
        limit = Math.min(limitMax, wholeNumber('limit', value, Number.POSITIVE_INFINITY));
        break;
      case 'offset':
        offset = wholeNumber('offset', value, offsetMax);
        break;
      case 'fuzzymatching':
        fuzzyMatching = trueOrFalse('fuzzymatching', value);
        break;
      case 'emptyvaluematching':
        emptyValueMatching = trueOrFalse('emptyvaluematching', value);
        break;
      case 'multiplevaluematching':
        if (trueOrFalse('multiplevaluematching', value))
          notDone.push('multiplevaluematching is not supported: several values are a choice of codes or UIDs only');
        break;
      case 'includefield':
        for (const field of value.split(',')) {
          if (field.toLowerCase() === 'all') includeAll = true;
          else if (field !== '') includeTags.push(fieldOf(field));
        }
        break;
      case 'accept':
      case 'charset':
        break;
      default: {
        const tag = tagOf(name);
        if (tag === undefined) ignored.add(nameable.test(name) ? name : 'one that has no name to be repeated');
        else addKey(keys, tag, isCode(tag) ? value.replaceAll(',', '\\') : value);
      }
    }
  }
  matches.push(...[...keys].map(([tag, value]) => ({ tag, value })));
  if (ignored.size > 0)
    notDone.push(`no parameter or attribute of PS3.6, and ignored: ${[...ignored].slice(0, namedMax).join(', ')}`);
  return {
    level,
    returnedLevels: returnedLevels(level, path),
    matches,
    includeTags,
    includeAll,
    limit,
    offset,
    fuzzyMatching,
    emptyValueMatching,
    notDone,
  };
}

/** Several UIDs are a list however they are sent (PS3.18 8.3.4.1); of several other values nobody knows which counts. */
function addKey(keys: Map<string, string>, tag: string, value: string): void {
  const before = keys.get(tag);
  if (before !== undefined && vrOf(tag) !== 'UI') throw new BadRequestError(`the key ${tag} is given more than once`);
  keys.set(tag, before === undefined ? value : `${before}\\${value}`);
}

function returnedLevels(level: QidoLevel, path: ResourcePath): QidoLevel[] {
  const isNamed = {
    study: path.studyInstanceUid !== undefined,
    series: path.seriesInstanceUid !== undefined,
    instance: false,
  };
  const all = ['study', 'series', 'instance'] as const;
  return all.slice(0, all.indexOf(level) + 1).filter((one) => !isNamed[one]);
}

/** Eight hex digits, or several of them joined by dots: sequences and an attribute of their items. Undefined for what is none. */
function tagOf(path: string): string | undefined {
  const tags = path.split('.').map(findTag);
  return tags.every((found) => found !== undefined) ? tags.join('.') : undefined;
}

function fieldOf(path: string): string {
  const tag = tagOf(path);
  if (tag === undefined) throw new BadRequestError('includefield names no attribute of PS3.6');
  return tag;
}

/**
 * Several code strings are a choice, as several UIDs are, and viewers join both by commas (OHIF: `ModalitiesInStudy=CT,MR`).
 * No code string holds a comma (PS3.5 6.2, CS).
 */
const isCode = (path: string): boolean => vrOf(path) === 'CS';

const vrOf = (path: string): string | undefined => dictionaryEntry(path.slice(-8))?.vr;

/** An unsigned integer (PS3.18 5.1.1). */
function wholeNumber(name: string, text: string, max: number): number {
  const value = Number(text);
  if (!/^\d{1,20}$/.test(text) || value > max) throw new BadRequestError(`${name} is no usable number`);
  return value;
}

/** PS3.18 8.3.4.2. What is neither must not pass for the one that finds less, or more. */
function trueOrFalse(name: string, text: string): boolean {
  const value = text.toLowerCase();
  if (value !== 'true' && value !== 'false') throw new BadRequestError(`${name} is neither true nor false`);
  return value === 'true';
}
