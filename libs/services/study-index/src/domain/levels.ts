import { normaliseName } from './identity.js';
import { type DicomJson, jsonInteger, jsonText } from './instance.js';
import { timeKey } from './match.js';

/** Study-level attributes beside the Patient group (PS3.3 C.7.2.1, C.7.2.2; PS3.18 Table 10.6.1-5). */
const studyTags: ReadonlySet<string> = new Set([
  '00080005',
  '00080020',
  '00080030',
  '00080050',
  '00080051',
  '00080090',
  '00080096',
  '0008009C',
  '00080201',
  '00081030',
  '00081032',
  '00081048',
  '00081049',
  '00081060',
  '00081062',
  '00081080',
  '00081084',
  '00081110',
  '0020000D',
  '00200010',
  '00321032',
  '00321060',
  '00321064',
  '00380010',
  '00380014',
  '00401012',
  '00402016',
  '00402017',
]);
/** Series-level attributes (PS3.3 C.7.3.1, C.7.5.1; PS3.18 Table 10.6.1-5). */
const seriesTags: ReadonlySet<string> = new Set([
  '00080021',
  '00080031',
  '00080060',
  '00080068',
  '00080070',
  '00080080',
  '00081010',
  '0008103E',
  '0008103F',
  '00081040',
  '00081050',
  '00081070',
  '00081090',
  '00081111',
  '00180015',
  '00181000',
  '00181020',
  '00181030',
  '00185100',
  '0020000E',
  '00200011',
  '00200052',
  '00200060',
  '00201040',
  '00400244',
  '00400245',
  '00400253',
  '00400254',
  '00400260',
  '00400275',
  '00402001',
]);

const isStudyTag = (tag: string): boolean => studyTags.has(tag) || tag.startsWith('0010');
const pick = (dataset: DicomJson, wanted: (tag: string) => boolean): DicomJson =>
  Object.fromEntries(Object.entries(dataset).filter(([tag]) => wanted(tag)));

/** Which level an attribute belongs to. */
export function levelOf(tag: string): 'study' | 'series' | 'instance' {
  if (isStudyTag(tag)) return 'study';
  return seriesTags.has(tag) ? 'series' : 'instance';
}

/** A DA as eight digits; null when it is none. */
const dateOf = (dataset: DicomJson, tag: string): string | null => {
  const date = jsonText(dataset, tag).replaceAll('.', '');
  return /^\d{8}$/.test(date) ? date : null;
};

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
  attributes: pick(metadata, isStudyTag),
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
  attributes: pick(metadata, (tag) => seriesTags.has(tag)),
});
