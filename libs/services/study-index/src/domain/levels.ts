import { dateKey, levelOfTag, timeKey } from '@callosum/dicom';

import { normaliseName } from './identity.js';
import { type DicomJson, jsonInteger, jsonText } from './instance.js';

const pick = (dataset: DicomJson, wanted: (tag: string) => boolean): DicomJson =>
  Object.fromEntries(Object.entries(dataset).filter(([tag]) => wanted(tag)));

/** A DA as eight digits; null when it is none. */
const dateOf = (dataset: DicomJson, tag: string): string | null => dateKey(jsonText(dataset, tag)) ?? null;

/** Component groups of a name, folded for matching. */
export function nameKeys(name: string): { alphabetic: string; ideographic: string; phonetic: string } {
  const [alphabetic = '', ideographic = '', phonetic = ''] = normaliseName(name).split('=');
  return { alphabetic, ideographic, phonetic };
}

export interface StudyLevel {
  readonly studyDate: string | null;
  readonly studyTimeKey: string | null;
  readonly accessionNumber: string;
  readonly studyId: string;
  readonly studyDescription: string;
  readonly referringNameKey: string;
  readonly attributes: DicomJson;
}

/** Study-level attributes of one instance's metadata. */
export const studyLevel = (metadata: DicomJson): StudyLevel => ({
  studyDate: dateOf(metadata, '00080020'),
  studyTimeKey: timeKey(jsonText(metadata, '00080030')) ?? null,
  accessionNumber: jsonText(metadata, '00080050'),
  studyId: jsonText(metadata, '00200010'),
  studyDescription: jsonText(metadata, '00081030'),
  referringNameKey: nameKeys(jsonText(metadata, '00080090')).alphabetic,
  attributes: pick(metadata, (tag) => levelOfTag(tag) === 'study'),
});

export interface SeriesLevel {
  readonly modality: string;
  readonly seriesNumber: number | null;
  readonly seriesDescription: string;
  readonly bodyPartExamined: string;
  readonly laterality: string;
  readonly frameOfReferenceUid: string;
  readonly seriesDate: string | null;
  readonly seriesTimeKey: string | null;
  readonly ppsStartDate: string | null;
  readonly attributes: DicomJson;
}

/** Series-level attributes of one instance's metadata. */
export const seriesLevel = (metadata: DicomJson): SeriesLevel => ({
  modality: jsonText(metadata, '00080060'),
  seriesNumber: jsonInteger(metadata, '00200011'),
  seriesDescription: jsonText(metadata, '0008103E'),
  bodyPartExamined: jsonText(metadata, '00180015'),
  laterality: jsonText(metadata, '00200060'),
  frameOfReferenceUid: jsonText(metadata, '00200052'),
  seriesDate: dateOf(metadata, '00080021'),
  seriesTimeKey: timeKey(jsonText(metadata, '00080031')) ?? null,
  ppsStartDate: dateOf(metadata, '00400244'),
  attributes: pick(metadata, (tag) => levelOfTag(tag) === 'series'),
});
