import {
  type DicomJson,
  type DicomJsonElement,
  dictionaryEntry,
  inTagOrder,
  keysInItems,
  partOf,
} from '@callosum/dicom';

import { computed, isComputed, isWithin, type Level, levelOfKey } from '../domain/keys.js';
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
  const { level, wanted } = plan;
  const stored: DicomJson = { ...row.study.attributes, ...row.series?.attributes, ...row.metadata };
  const dataset: DicomJson = {};
  for (const [tag, attribute] of Object.entries(stored)) {
    if (!isWithin(levelOfKey(tag), level)) continue;
    const want = wanted.get(tag) ?? (plan.wantsAll ? 'whole' : undefined);
    if (want !== undefined)
      dataset[tag] = plan.onlyRequested ? partOf(attribute, want, keysInItems(plan.keys, tag)) : attribute;
  }
  for (const [tag, element] of Object.entries(computedOf(row, level))) {
    if (wanted.has(tag)) dataset[tag] = element;
  }
  if (plan.onlyRequested) {
    // JSON is Unicode; who writes the answer says which set it is written in.
    delete dataset['00080005'];
    for (const tag of wanted.keys()) dataset[tag] ??= { vr: dictionaryEntry(tag)?.vr ?? 'UN' };
  } else dataset['00080005'] ??= { vr: 'CS', Value: ['ISO_IR 192'] };
  return inTagOrder(dataset);
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
