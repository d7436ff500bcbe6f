import { dictionaryEntry, levelOfTag } from '@callosum/dicom';
import { imaging } from '@callosum/contracts';

import { MalformedMatchError } from '../domain/errors.js';
import type { DicomJson } from '../domain/instance.js';
import { type Condition, type MatchForm, readMatch } from '../domain/match.js';

export type Level = 'study' | 'series' | 'instance';

export interface SearchQuery {
  readonly level: Level;
  readonly conditions: readonly { readonly tag: string; readonly condition: Condition }[];
  readonly limit: number;
  readonly offset: number;
}

/** One match with the levels above it. */
export interface SearchRow {
  readonly study: {
    readonly studyInstanceUid: string;
    readonly modalities: readonly string[];
    readonly seriesCount: number;
    readonly instanceCount: number;
    readonly attributes: DicomJson;
  };
  readonly series?: { readonly instanceCount: number; readonly attributes: DicomJson };
  readonly metadata?: DicomJson;
}

export interface SearchStore {
  search(query: SearchQuery): Promise<readonly SearchRow[]>;
}

/** Rows fetched at once: a page of instance metadata stays below a few MiB. */
const pageRows = 200;
/** Without a limit of the caller a search ends here; nobody reads further, and one query must not walk the archive. */
export const searchRowsMax = 10_000;
const depth = { study: 0, series: 1, instance: 2 } as const;

const levels: Partial<Record<imaging.QueryLevel, Level>> = {
  [imaging.QueryLevel.QUERY_LEVEL_STUDY]: 'study',
  [imaging.QueryLevel.QUERY_LEVEL_SERIES]: 'series',
  [imaging.QueryLevel.QUERY_LEVEL_INSTANCE]: 'instance',
};

/**
 * QIDO-RS matching (PS3.18 8.3.4): datasets of the DICOM JSON model, newest study first.
 * @throws {MalformedMatchError} for a match key or value that cannot be read
 */
export async function* search(store: SearchStore, request: imaging.SearchRequest): AsyncGenerator<DicomJson> {
  const level = levels[request.level];
  if (!level) throw new MalformedMatchError('level', 'not study, series or instance');
  const conditions = readConditions(request, level);
  const returned = returnedBy(request, level);
  const total = request.limit === 0 ? searchRowsMax : Math.min(request.limit, searchRowsMax);
  for (let given = 0; given < total;) {
    const limit = Math.min(pageRows, total - given);
    const rows = await store.search({ level, conditions, limit, offset: request.offset + given });
    for (const row of rows) yield toDataset(row, returned);
    given += rows.length;
    if (rows.length < limit) return;
  }
}

function readConditions(request: imaging.SearchRequest, level: Level): SearchQuery['conditions'] {
  return request.matches.flatMap(({ tag, value }) => {
    const form = formOf(tag);
    if (depth[levelOfKey(tag)] > depth[level])
      throw new MalformedMatchError(tag, `is no attribute of the ${level} level or above`);
    const condition = readMatch(tag, form, value, request.fuzzyMatching);
    return condition ? [{ tag, condition }] : [];
  });
}

/** Modalities in Study is computed from the series, yet belongs to the study. */
const levelOfKey = (tag: string): Level => (tag === '00080061' ? 'study' : levelOfTag(tag));

const timeKeys: ReadonlySet<string> = new Set(['00080030', '00080031']);
const numericKeys: ReadonlySet<string> = new Set(['00200011', '00200013']);
const foldedNames: ReadonlySet<string> = new Set(['00100010', '00080090']);

function formOf(tag: string): MatchForm {
  if (!/^[0-9A-F]{8}$/.test(tag)) throw new MalformedMatchError('a key', 'not a tag of eight upper-case hex digits');
  if (timeKeys.has(tag)) return 'time';
  if (numericKeys.has(tag)) return 'integer';
  const vr = dictionaryEntry(tag)?.vr;
  if (vr === 'PN') {
    if (!foldedNames.has(tag)) throw new MalformedMatchError(tag, 'this name is not indexed for matching');
    return 'name';
  }
  if (vr === 'UI') return 'uid';
  return vr === 'DA' ? 'date' : 'text';
}

/** Attributes every answer of a level holds (PS3.18 Tables 10.6.3-3 to -5), where they have a value. */
const always: Readonly<Record<Level, readonly string[]>> = {
  study: [
    '00080005',
    '00080020',
    '00080030',
    '00080050',
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
  ],
  series: ['00080005', '00080060', '00080201', '0008103E', '0020000E', '00200011', '00400244', '00400245', '00400275'],
  instance: [
    '00080005',
    '00080016',
    '00080018',
    '00080201',
    '00200013',
    '00280008',
    '00280010',
    '00280011',
    '00280100',
  ],
};

interface Returned {
  readonly level: Level;
  readonly all: boolean;
  readonly tags: ReadonlySet<string>;
}

/** Levels above are returned whole unless the query is already bound to one study or series (PS3.18 10.6.3.3). */
function returnedBy(request: imaging.SearchRequest, level: Level): Returned {
  const bound = (tag: string): boolean => request.matches.some((match) => match.tag === tag && match.value !== '');
  const tags = new Set([
    ...always[level],
    ...request.includeTags,
    ...request.matches.map(({ tag }) => tag),
    '0020000D',
  ]);
  if (level !== 'study' && !bound('0020000D')) for (const tag of always.study) tags.add(tag);
  if (level === 'instance') {
    tags.add('0020000E');
    if (!bound('0020000E')) for (const tag of always.series) tags.add(tag);
  }
  return { level, all: request.includeAll, tags };
}

const integer = (value: number): DicomJson[string] => ({ vr: 'IS', Value: [value] });

function toDataset(row: SearchRow, { level, all, tags }: Returned): DicomJson {
  const stored = { ...row.study.attributes, ...row.series?.attributes, ...row.metadata };
  const dataset: DicomJson = {};
  for (const [tag, attribute] of Object.entries(stored)) {
    if (tags.has(tag) || (all && levelIsReturned(tag, level))) dataset[tag] = attribute;
  }
  dataset['00080005'] ??= { vr: 'CS', Value: ['ISO_IR 192'] };
  if (level === 'study' || tags.has('00080061')) dataset['00080061'] = { vr: 'CS', Value: [...row.study.modalities] };
  if (level === 'study' || tags.has('00201206')) dataset['00201206'] = integer(row.study.seriesCount);
  if (level === 'study' || tags.has('00201208')) dataset['00201208'] = integer(row.study.instanceCount);
  if (row.series && (level === 'series' || tags.has('00201209')))
    dataset['00201209'] = integer(row.series.instanceCount);
  // Everything indexed can be retrieved at once (PS3.3 C.4.23.1.1).
  if (level !== 'series') dataset['00080056'] = { vr: 'CS', Value: ['ONLINE'] };
  return Object.fromEntries(Object.entries(dataset).sort(([a], [b]) => (a < b ? -1 : 1)));
}

const levelIsReturned = (tag: string, level: Level): boolean => depth[levelOfTag(tag)] <= depth[level];
