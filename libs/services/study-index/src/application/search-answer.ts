import { dictionaryEntry, type DicomJson, type DicomJsonElement, type Tag } from '@callosum/dicom';

import { itemsOf, type Key, matchesKeys } from '../domain/key-match.js';
import { computed, isComputed, isWithin, type Level, levelOfKey } from '../domain/keys.js';
import type { SearchPlan, Wanted } from './search-plan.js';

/** One match with the levels above it. At the patient's level the study is one of the patient's. */
export interface SearchRow {
  readonly study: {
    readonly studyInstanceUid: string;
    /** Patient ID and its issuer: one text a patient. */
    readonly patientKey: string;
    /** Component groups joined by '='. */
    readonly patientName: string;
    readonly modalities: readonly string[];
    readonly seriesCount: number;
    readonly instanceCount: number;
    readonly attributes: DicomJson;
    /** Where they were asked for. */
    readonly sopClassUids?: readonly string[];
    readonly ofPatient?: PatientCounts;
  };
  readonly series?: { readonly instanceCount: number; readonly attributes: DicomJson };
  /** At the instance's level what was asked for of its metadata. */
  readonly metadata?: DicomJson;
}

export interface PatientCounts {
  readonly studies: number;
  readonly series: number;
  readonly instances: number;
}

/** The dataset in which an attribute of a level stands. */
export function datasetOfLevel(row: SearchRow, level: Level): DicomJson {
  if (level === 'instance') return row.metadata ?? {};
  return level === 'series' ? (row.series?.attributes ?? {}) : row.study.attributes;
}

/** The answer of one row: a dataset of the DICOM JSON model in ascending order of tags. */
export function answerOf(row: SearchRow, plan: SearchPlan): DicomJson {
  const { level, wanted } = plan;
  const stored: DicomJson = { ...row.study.attributes, ...row.series?.attributes, ...row.metadata };
  const dataset: DicomJson = {};
  for (const [tag, attribute] of Object.entries(stored)) {
    if (!isWithin(levelOfKey(tag), level)) continue;
    const want = wanted.get(tag) ?? (plan.wantsAll ? 'whole' : undefined);
    if (want !== undefined)
      dataset[tag] = plan.onlyRequested ? partOf(attribute, want, keysIn(plan.keys, tag)) : attribute;
  }
  for (const [tag, element] of Object.entries(computedOf(row, level))) {
    if (wanted.has(tag)) dataset[tag] = element;
  }
  if (plan.onlyRequested) {
    // JSON is Unicode; who writes the answer says which set it is written in.
    delete dataset['00080005'];
    for (const tag of wanted.keys()) dataset[tag] ??= { vr: dictionaryEntry(tag)?.vr ?? 'UN' };
  } else dataset['00080005'] ??= { vr: 'CS', Value: ['ISO_IR 192'] };
  return sorted(dataset);
}

const sorted = (dataset: DicomJson): DicomJson =>
  Object.fromEntries(Object.entries(dataset).sort(([a], [b]) => (a < b ? -1 : 1)));

const keysIn = (keys: readonly Key[], tag: Tag): Key[] =>
  keys
    .filter(({ path }) => path.length > 1 && path[0] === tag)
    .map(({ path, condition }) => ({ path: path.slice(1), condition }));

/** Of a sequence the items that match, and in them what was asked for (PS3.4 C.2.2.2.6). */
function partOf(element: DicomJsonElement, want: Wanted | 'whole', keys: readonly Key[]): DicomJsonElement {
  if (want === 'whole') return element;
  const items = itemsOf(element)
    .filter((item) => matchesKeys(item, keys))
    .map((item) => {
      const part: DicomJson = {};
      for (const [tag, inner] of want) {
        const found = item[tag];
        part[tag] = found ? partOf(found, inner, keysIn(keys, tag)) : { vr: dictionaryEntry(tag)?.vr ?? 'UN' };
      }
      return sorted(part);
    });
  return items.length === 0 ? { vr: 'SQ' } : { vr: 'SQ', Value: items };
}

const integer = (value: number): DicomJsonElement => ({ vr: 'IS', Value: [value] });

/** What follows from the rows. Everything indexed can be retrieved at once (PS3.3 C.4.23.1.1). */
function computedOf({ study, series }: SearchRow, level: Level): DicomJson {
  const { ofPatient, sopClassUids } = study;
  const values: DicomJson = {
    ...(ofPatient && {
      [computed.numberOfPatientRelatedStudies]: integer(ofPatient.studies),
      [computed.numberOfPatientRelatedSeries]: integer(ofPatient.series),
      [computed.numberOfPatientRelatedInstances]: integer(ofPatient.instances),
    }),
    [computed.modalitiesInStudy]: { vr: 'CS', Value: [...study.modalities] },
    ...(sopClassUids && { [computed.sopClassesInStudy]: { vr: 'UI', Value: [...sopClassUids] } }),
    [computed.numberOfStudyRelatedSeries]: integer(study.seriesCount),
    [computed.numberOfStudyRelatedInstances]: integer(study.instanceCount),
    [computed.instanceAvailability]: { vr: 'CS', Value: ['ONLINE'] },
    ...(series && { [computed.numberOfSeriesRelatedInstances]: integer(series.instanceCount) }),
  };
  return Object.fromEntries(
    Object.entries(values).filter(([tag]) => isComputed(tag) && isWithin(levelOfKey(tag), level)),
  );
}
