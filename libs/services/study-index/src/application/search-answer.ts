import {
  type DicomJson,
  type DicomJsonElement,
  dictionaryEntry,
  inTagOrder,
  keysInItems,
  partOf,
  type Tag,
  type Wanted,
} from '@callosum/dicom';

import { computed, isWithin, type Level, levelOfKey } from '../domain/keys.js';
import type { SearchPlan } from './search-plan.js';

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
  const dataset = plan.wantsAll ? wholeOf(row, plan) : partOfRow(row, plan);
  if (plan.onlyRequested) {
    for (const tag of plan.wanted.keys()) dataset[tag] ??= withoutValue(tag);
    // JSON is Unicode; who writes the answer says which set it is written in.
    delete dataset[characterSet];
  } else dataset[characterSet] ??= inUnicode;
  // A part is in order, but for what was put behind it.
  return plan.wantsAll || plan.onlyRequested ? inTagOrder(dataset) : dataset;
}

const characterSet = '00080005';
const withoutValue = (tag: Tag): DicomJsonElement => ({ vr: dictionaryEntry(tag)?.vr ?? 'UN' });
const inUnicode: DicomJsonElement = { vr: 'CS', Value: ['ISO_IR 192'] };

/** All there is of the row, and what follows from it where that was asked for. */
function wholeOf(row: SearchRow, plan: SearchPlan): DicomJson {
  const { wanted, level } = plan;
  const dataset: DicomJson = {};
  const stored: DicomJson = { ...row.study.attributes, ...row.series?.attributes, ...row.metadata };
  for (const [tag, attribute] of Object.entries(stored))
    if (isWithin(levelOfKey(tag), level)) dataset[tag] = given(tag, attribute, wanted.get(tag) ?? 'whole', plan);
  for (const [tag] of wantedWithin(plan)) {
    const element = computedOf(tag, row);
    if (element) dataset[tag] = element;
  }
  for (const tag of plan.required) dataset[tag] ??= withoutValue(tag);
  return dataset;
}

/** Nearly every answer: a few of the attributes that are stored. */
function partOfRow(row: SearchRow, plan: SearchPlan): DicomJson {
  const dataset: DicomJson = {};
  for (const [tag, want] of wantedWithin(plan)) {
    const stored = row.metadata?.[tag] ?? row.series?.attributes[tag] ?? row.study.attributes[tag];
    const element = computedOf(tag, row) ?? (stored && given(tag, stored, want, plan));
    if (element) dataset[tag] = element;
    else if (tag === characterSet) dataset[tag] = inUnicode;
    else if (plan.required.has(tag)) dataset[tag] = withoutValue(tag);
  }
  return dataset;
}

const given = (tag: Tag, attribute: DicomJsonElement, want: Wanted | 'whole', plan: SearchPlan): DicomJsonElement =>
  plan.onlyRequested ? partOf(attribute, want, keysInItems(plan.keys, tag)) : attribute;

const ofPlan = new WeakMap<SearchPlan, readonly (readonly [Tag, Wanted | 'whole'])[]>();

/** What is wanted of the level and those above, in ascending order of tags; the same for each row of a search. */
function wantedWithin(plan: SearchPlan): readonly (readonly [Tag, Wanted | 'whole'])[] {
  const known = ofPlan.get(plan);
  if (known) return known;
  const within = [...plan.wanted]
    .filter(([tag]) => isWithin(levelOfKey(tag), plan.level))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  ofPlan.set(plan, within);
  return within;
}

const integer = (value: number): DicomJsonElement => ({ vr: 'IS', Value: [value] });

/** What follows from the rows, where the attribute is of that kind. Everything indexed can be retrieved at once (PS3.3 C.4.23.1.1). */
function computedOf(tag: Tag, { study, series }: SearchRow): DicomJsonElement | undefined {
  const { ofPatient, sopClassUids } = study;
  switch (tag) {
    case computed.numberOfPatientRelatedStudies:
      return ofPatient && integer(ofPatient.studies);
    case computed.numberOfPatientRelatedSeries:
      return ofPatient && integer(ofPatient.series);
    case computed.numberOfPatientRelatedInstances:
      return ofPatient && integer(ofPatient.instances);
    case computed.modalitiesInStudy:
      return { vr: 'CS', Value: [...study.modalities] };
    case computed.sopClassesInStudy:
      return sopClassUids && { vr: 'UI', Value: [...sopClassUids] };
    case computed.numberOfStudyRelatedSeries:
      return integer(study.seriesCount);
    case computed.numberOfStudyRelatedInstances:
      return integer(study.instanceCount);
    case computed.instanceAvailability:
      return { vr: 'CS', Value: ['ONLINE'] };
    case computed.numberOfSeriesRelatedInstances:
      return series && integer(series.instanceCount);
    default:
      return undefined;
  }
}
