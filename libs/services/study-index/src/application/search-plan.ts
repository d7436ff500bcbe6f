import { imaging } from '@callosum/contracts';
import {
  combinedMoments,
  dictionaryEntry,
  formOf,
  isPrivate,
  MalformedMatchError,
  type QueryCondition,
  type QueryKey,
  readMatch,
  type Tag,
  type Wanted,
  wantedOf,
} from '@callosum/dicom';

import { askersKeys, computed, isWithin, type Level, levelOfKey } from '../domain/keys.js';

/** A search as it was understood. */
export interface SearchPlan {
  readonly level: Level;
  readonly keys: readonly QueryKey[];
  readonly wanted: Wanted;
  /** Of these what the object has no value of is given without one. */
  readonly required: ReadonlySet<Tag>;
  /** All there is of the level and those above. */
  readonly wantsAll: boolean;
  /** Only what was asked for, and that also where it has no value (PS3.4 C.2.2.1.3); else also what QIDO-RS always gives. */
  readonly onlyRequested: boolean;
  /** Keys of the request that are neither matched nor returned, by path as they were sent, each once. */
  readonly unsupported: readonly string[];
  /** Infinity when there is none. */
  readonly limit: number;
  readonly offset: number;
  /** Who asks; '' for who does not say. */
  readonly asker: string;
}

const levels: Partial<Record<imaging.QueryLevel, Level>> = {
  [imaging.QueryLevel.QUERY_LEVEL_PATIENT]: 'patient',
  [imaging.QueryLevel.QUERY_LEVEL_STUDY]: 'study',
  [imaging.QueryLevel.QUERY_LEVEL_SERIES]: 'series',
  [imaging.QueryLevel.QUERY_LEVEL_INSTANCE]: 'instance',
};
/** Real identifiers have some forty keys. */
const keysMax = 500;
/** Sequences in sequences: protocols and observations are four deep. */
const pathTagsMax = 16;

/**
 * Reads a request. A key that cannot be matched is left out, as the standard has it for optional keys (PS3.4
 * C.2.2.1.2), and named.
 * @throws {MalformedMatchError} for a path or value that cannot be read
 */
export function planSearch(request: imaging.SearchRequest): SearchPlan {
  const level = levels[request.level];
  if (!level) throw new MalformedMatchError('level', 'not patient, study, series or instance');
  if (request.matches.length + request.includeTags.length > keysMax)
    throw new MalformedMatchError('the request', `more than ${keysMax} keys`);
  const unsupported = new Set<string>();
  const keys: QueryKey[] = [];
  const paths: (readonly Tag[])[] = [];
  for (const { tag, value } of request.matches) {
    const path = readPath(tag);
    // Asked for, they are given by who was asked; matched by, they are not.
    if (path.length === 1 && askersKeys.has(path[0] ?? '') && isUniversal(value)) continue;
    if (!isAnswered(path, level)) {
      unsupported.add(tag);
      continue;
    }
    paths.push(path);
    const condition = conditionOf(tag, path, value, request);
    if (condition === 'unsupported') unsupported.add(tag);
    else if (condition) keys.push({ path, condition });
  }
  for (const tag of request.includeTags) {
    const path = readPath(tag);
    if (isAnswered(path, level)) paths.push(path);
    else if (!askersKeys.has(tag)) unsupported.add(tag);
  }
  const always = alwaysReturned(request, level);
  return {
    level,
    keys: request.combinedDatetime ? combinedMoments(keys) : keys,
    wanted: wantedOf([
      ...paths,
      ...(request.onlyRequested ? [] : paths.flatMap(creatorOf)),
      ...always.map((tag) => [tag]),
    ]),
    required: new Set(request.onlyRequested ? [] : always.filter((tag) => required.has(tag))),
    wantsAll: request.includeAll,
    onlyRequested: request.onlyRequested,
    unsupported: [...unsupported],
    limit: request.limit === 0 ? Number.POSITIVE_INFINITY : request.limit,
    offset: request.offset,
    asker: request.asker,
  };
}

function readPath(text: string): Tag[] {
  const path = text.split('.');
  if (path.length > pathTagsMax) throw new MalformedMatchError('a key', 'too many sequences in sequences');
  path.forEach((tag, i) => {
    if (!/^[0-9A-F]{8}$/.test(tag)) throw new MalformedMatchError('a key', 'not a tag of eight upper-case hex digits');
    if (i < path.length - 1 && dictionaryEntry(tag)?.vr !== 'SQ')
      throw new MalformedMatchError(tag, 'has no items: it is no sequence of PS3.6');
  });
  return path;
}

/** Without its Private Creator a private attribute says nothing (PS3.5 7.8.1): QIDO-RS gives both (PS3.18 10.6.3.3). */
function creatorOf(path: readonly Tag[]): (readonly Tag[])[] {
  const tag = path.at(-1) ?? '';
  const block = tag.slice(4, 6);
  return isPrivate(tag) && block >= '10' ? [[...path.slice(0, -1), `${tag.slice(0, 4)}00${block}`]] : [];
}

/** True when a query at this level has the attribute, to match or only to return. */
const isAnswered = ([tag = '']: readonly Tag[], level: Level): boolean =>
  !askersKeys.has(tag) && isWithin(levelOfKey(tag), level);

/** Matches everything (PS3.4 C.2.2.2.3, C.2.2.2.4). */
const isUniversal = (value: string): boolean => /^[* \0]*$/.test(value);

function conditionOf(
  sent: string,
  path: readonly Tag[],
  value: string,
  request: imaging.SearchRequest,
): QueryCondition | undefined | 'unsupported' {
  if (isUniversal(value)) return undefined;
  const tag = path.at(-1) ?? '';
  const form = formOf(tag);
  if (!form) return 'unsupported';
  const vr = dictionaryEntry(tag)?.vr ?? '';
  return readMatch(sent, form, value, {
    fuzzy: request.fuzzyMatching,
    emptyValues: request.emptyValueMatching,
    isCode: vr === 'CS',
    keepsLeadingSpace: ['LT', 'ST', 'UC', 'UT'].includes(vr),
  });
}

/** Unique keys are in every answer (PS3.4 C.2.2.1.1). */
const unique: Readonly<Record<Level, Tag>> = {
  patient: '00100020',
  study: '0020000D',
  series: '0020000E',
  instance: '00080018',
};
const ofStudy: readonly Tag[] = [
  '00080005',
  '00080020',
  '00080030',
  '00080050',
  '00080056',
  computed.modalitiesInStudy,
  '00080090',
  '00080201',
  '00081030',
  '00100010',
  '00100020',
  '00100021',
  '00100030',
  '00100040',
  '0020000D',
  '00200010',
  computed.numberOfStudyRelatedSeries,
  computed.numberOfStudyRelatedInstances,
];
const always: Readonly<Record<Level, readonly Tag[]>> = {
  patient: [
    '00080005',
    '00100010',
    '00100020',
    '00100021',
    '00100030',
    '00100040',
    computed.numberOfPatientRelatedStudies,
    computed.numberOfPatientRelatedSeries,
    computed.numberOfPatientRelatedInstances,
  ],
  study: ofStudy,
  series: [
    '00080005',
    '00080060',
    '00080201',
    '0008103E',
    '0020000E',
    '00200011',
    computed.numberOfSeriesRelatedInstances,
    '00400244',
    '00400245',
    '00400275',
  ],
  instance: [
    '00080005',
    '00080016',
    '00080018',
    '00080056',
    '00080201',
    '00200013',
    '00280008',
    '00280010',
    '00280011',
    '00280100',
  ],
};
/** Type R of PS3.18 tables 10.6.3-3 to -5, but for what every study, series or object has; others may be absent. */
const required: ReadonlySet<Tag> = new Set([
  '00080020',
  '00080030',
  '00080050',
  '00080090',
  '00100010',
  '00100020',
  '00100030',
  '00100040',
  '00200010',
  '00080060',
  '00200011',
  '00200013',
]);

/**
 * Of levels above the search's own QIDO-RS says which are returned: all of them, unless its path names the study or series
 * (PS3.18 10.6.3.3). Of a version that does not say it a key counts as such a path.
 */
function alwaysReturned(request: imaging.SearchRequest, level: Level): readonly Tag[] {
  const above = (['patient', 'study', 'series', 'instance'] as const).filter((one) => isWithin(one, level));
  if (request.onlyRequested) {
    return above.filter((one) => one !== 'patient' || level === 'patient').map((one) => unique[one]);
  }
  const isBound = (tag: Tag): boolean => request.matches.some((match) => match.tag === tag && match.value !== '');
  const said = request.returnedLevels.map((one) => levels[one]);
  const isReturned = (one: Level): boolean => (said.length > 0 ? said.includes(one) : !isBound(unique[one]));
  const tags = new Set<Tag>(always[level]);
  for (const one of above.filter((one) => one !== 'patient' && one !== level)) {
    tags.add(unique[one]);
    if (isReturned(one)) for (const tag of always[one]) tags.add(tag);
  }
  return [...tags];
}
