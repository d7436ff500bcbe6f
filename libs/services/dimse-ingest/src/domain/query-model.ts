import {
  type DicomJson,
  type IdentifierKey,
  keysOfIdentifier,
  MalformedMatchError,
  matchesKeys,
  readMatch,
  type Tag,
} from '@callosum/dicom';
import { CallosumError, isUid } from '@callosum/kernel';

import { IdentifierError } from './query-errors.js';

/** The Query/Retrieve information models: what their hierarchy begins with (PS3.4 sections C.6.1 and C.6.2). */
export type QueryRoot = 'patient' | 'study';
export type QueryLevel = 'PATIENT' | 'STUDY' | 'SERIES' | 'IMAGE';

const levels: Readonly<Record<QueryRoot, readonly QueryLevel[]>> = {
  patient: ['PATIENT', 'STUDY', 'SERIES', 'IMAGE'],
  study: ['STUDY', 'SERIES', 'IMAGE'],
};

export const tags = {
  specificCharacterSet: '00080005',
  queryRetrieveLevel: '00080052',
  retrieveAeTitle: '00080054',
  instanceAvailability: '00080056',
  timezoneOffsetFromUtc: '00080201',
  patientId: '00100020',
  issuerOfPatientId: '00100021',
  studyInstanceUid: '0020000D',
  seriesInstanceUid: '0020000E',
  sopInstanceUid: '00080018',
} as const;

/** The unique key of each level (PS3.4 section C.2.2.1.1). */
const uniqueKeys: Readonly<Record<QueryLevel, Tag>> = {
  PATIENT: tags.patientId,
  STUDY: tags.studyInstanceUid,
  SERIES: tags.seriesInstanceUid,
  IMAGE: tags.sopInstanceUid,
};
const keywords: Readonly<Record<QueryLevel, string>> = {
  PATIENT: 'Patient ID',
  STUDY: 'Study Instance UID',
  SERIES: 'Series Instance UID',
  IMAGE: 'SOP Instance UID',
};

/** UIDs of one retrieve in all of its lists; a study of 10,000 instances is asked for by its own. */
export const retrieveUidsMax = 10_000;

/** A C-FIND identifier as it was understood. */
export interface FindIdentifier {
  readonly level: QueryLevel;
  readonly keys: readonly IdentifierKey[];
}

/** What a C-MOVE or C-GET is to send: whatever all of its parts allow. */
export interface RetrieveIdentifier {
  readonly level: QueryLevel;
  readonly patientId?: string;
  readonly issuerOfPatientId?: string;
  /** Empty where the identifier does not say: in relational retrieves, and all of a patient's. */
  readonly studyInstanceUids: readonly string[];
  readonly seriesInstanceUids: readonly string[];
  readonly sopInstanceUids: readonly string[];
}

/**
 * Reads a C-FIND identifier (PS3.4 section C.4.1.1.3.1). In the hierarchical method each level above the one that is
 * asked is bound to one entity by its unique key (C.4.1.3.1.1); relational queries, once negotiated, need none of them
 * (C.4.1.3.2.1).
 * @throws {IdentifierError}
 */
export function readFind(identifier: DicomJson, root: QueryRoot, relational: boolean): FindIdentifier {
  const level = levelOf(identifier, root);
  if (!relational) for (const above of levelsAbove(root, level)) single(identifier, above);
  return { level, keys: keysOf(identifier) };
}

/**
 * True when what only this node can say of its instances is what a C-FIND identifier asks for; it is the same of all.
 * @param own what this node says
 * @throws {IdentifierError}
 */
export function matchesOwn(identifier: DicomJson, own: DicomJson, emptyValues: boolean): boolean {
  return [...ours].every((tag) => {
    const value = valuesOf(identifier, tag).join('\\');
    try {
      const condition = readMatch(tag, 'text', value, { emptyValues, isCode: true });
      return condition === undefined || matchesKeys(own, [{ path: [tag], condition }]);
    } catch (cause) {
      if (!(cause instanceof MalformedMatchError)) throw cause;
      throw new IdentifierError('cannot be matched by', [tag], { cause });
    }
  });
}

/**
 * Reads the identifier of a C-MOVE or C-GET (PS3.4 sections C.4.2.1.4.1 and C.4.3.1.3.1): the unique key of its level,
 * at the levels below the patient's also a list, and one value for each level above, which relational retrieves may
 * leave out or list. Other keys mean nothing here.
 * @throws {IdentifierError}
 */
export function readRetrieve(identifier: DicomJson, root: QueryRoot, relational: boolean): RetrieveIdentifier {
  const level = levelOf(identifier, root);
  const above = levelsAbove(root, level);
  if (!relational) for (const one of above) single(identifier, one);
  if (valuesOf(identifier, uniqueKeys[level]).length === 0)
    throw new IdentifierError(`${keywords[level]} is missing`, [uniqueKeys[level]]);
  const within = [...above, level];
  const uids = (one: QueryLevel): string[] => (within.includes(one) ? listOf(identifier, one) : []);
  const lists = { STUDY: uids('STUDY'), SERIES: uids('SERIES'), IMAGE: uids('IMAGE') };
  if (lists.STUDY.length + lists.SERIES.length + lists.IMAGE.length > retrieveUidsMax) {
    const atFault = (['STUDY', 'SERIES', 'IMAGE'] as const).filter((one) => lists[one].length > 1);
    const offending = atFault.map((one) => uniqueKeys[one]);
    throw new IdentifierError(`more than ${retrieveUidsMax} UIDs`, offending);
  }
  const [issuerOfPatientId] = valuesOf(identifier, tags.issuerOfPatientId);
  const byPatient = within.includes('PATIENT') && valuesOf(identifier, tags.patientId).length > 0;
  return {
    level,
    ...(byPatient ? { patientId: single(identifier, 'PATIENT') } : {}),
    ...(byPatient && issuerOfPatientId !== undefined ? { issuerOfPatientId } : {}),
    studyInstanceUids: lists.STUDY,
    seriesInstanceUids: lists.SERIES,
    sopInstanceUids: lists.IMAGE,
  };
}

function levelOf(identifier: DicomJson, root: QueryRoot): QueryLevel {
  const [value] = valuesOf(identifier, tags.queryRetrieveLevel);
  const level = levels[root].find((one) => one === value);
  if (level) return level;
  const why = value === undefined ? 'is missing' : `is none of ${levels[root].join(', ')}`;
  throw new IdentifierError(`Query/Retrieve Level ${why}`, [tags.queryRetrieveLevel]);
}

const levelsAbove = (root: QueryRoot, level: QueryLevel): readonly QueryLevel[] =>
  levels[root].slice(0, levels[root].indexOf(level));

/** Single value matching (PS3.4 section C.2.2.2.1). */
function single(identifier: DicomJson, level: QueryLevel): string {
  const [value, ...more] = valuesOf(identifier, uniqueKeys[level]);
  const tag = uniqueKeys[level];
  if (value === undefined) throw new IdentifierError(`${keywords[level]} is missing`, [tag]);
  const isOne = level === 'PATIENT' ? !/[*?]/.test(value) : isUid(value);
  if (more.length > 0 || !isOne) throw new IdentifierError(`${keywords[level]} is not a single value`, [tag]);
  return value;
}

function listOf(identifier: DicomJson, level: QueryLevel): string[] {
  const uids = [...new Set(valuesOf(identifier, uniqueKeys[level]))];
  if (uids.every(isUid)) return uids;
  throw new IdentifierError(`${keywords[level]} holds what is no UID`, [uniqueKeys[level]]);
}

function valuesOf(identifier: DicomJson, tag: Tag): string[] {
  const values = identifier[tag]?.Value ?? [];
  return values.flatMap((value) => {
    const text = typeof value === 'string' || typeof value === 'number' ? String(value).trim() : '';
    return text === '' ? [] : [text];
  });
}

/** What the index knows nothing of; the time zone would say how to read dates once that was negotiated. */
const ours: ReadonlySet<Tag> = new Set([tags.retrieveAeTitle, tags.instanceAvailability]);

function keysOf(identifier: DicomJson): IdentifierKey[] {
  try {
    return keysOfIdentifier(identifier)
      .filter(({ path }) => !ours.has(path))
      .map((key) => (key.path === tags.timezoneOffsetFromUtc ? { ...key, value: '' } : key));
  } catch (cause) {
    if (!(cause instanceof CallosumError)) throw cause;
    throw new IdentifierError('a sequence holds several items', [], { cause });
  }
}
