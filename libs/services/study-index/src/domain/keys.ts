import { levelOfTag, patientTags, type Tag } from '@callosum/dicom';

/** Levels of the Query/Retrieve information models (PS3.4 C.6.1.1, C.6.2.1). */
export type Level = 'patient' | 'study' | 'series' | 'instance';

const depth: Readonly<Record<Level, number>> = { patient: 0, study: 1, series: 2, instance: 3 };

/** True when an attribute of this level is one of what a query at `level` answers with. */
export const isWithin = (keyLevel: Level, level: Level): boolean => depth[keyLevel] <= depth[level];

/** Keys whose values follow from the rows and are in no stored object (PS3.4 C.3.4, C.6.1.1). */
export const computed = {
  numberOfPatientRelatedStudies: '00201200',
  numberOfPatientRelatedSeries: '00201202',
  numberOfPatientRelatedInstances: '00201204',
  modalitiesInStudy: '00080061',
  sopClassesInStudy: '00080062',
  numberOfStudyRelatedSeries: '00201206',
  numberOfStudyRelatedInstances: '00201208',
  instanceAvailability: '00080056',
  numberOfSeriesRelatedInstances: '00201209',
} as const;

const levelOfComputed: Readonly<Record<Tag, Level>> = {
  [computed.numberOfPatientRelatedStudies]: 'patient',
  [computed.numberOfPatientRelatedSeries]: 'patient',
  [computed.numberOfPatientRelatedInstances]: 'patient',
  [computed.modalitiesInStudy]: 'study',
  [computed.sopClassesInStudy]: 'study',
  [computed.numberOfStudyRelatedSeries]: 'study',
  [computed.numberOfStudyRelatedInstances]: 'study',
  [computed.instanceAvailability]: 'study',
  [computed.numberOfSeriesRelatedInstances]: 'series',
};

/** Of Patient Study (PS3.3 C.7.2.2): the patient as at the time of the study. */
const patientAtStudy: ReadonlySet<Tag> = new Set([
  '00101010',
  '00101020',
  '00101021',
  '00101022',
  '00101023',
  '00101024',
  '00101030',
  '00102180',
  '001021A0',
  '001021B0',
  '001021C0',
  '001021D0',
  '00102203',
]);
const ofPatient: ReadonlySet<Tag> = new Set(patientTags);

/** The level an attribute describes, the patient's apart from the study's. */
export function levelOfKey(tag: Tag): Level {
  const known = levelOfComputed[tag];
  if (known) return known;
  if ((ofPatient.has(tag) || tag.startsWith('0010')) && !patientAtStudy.has(tag) && !tag.startsWith('0012'))
    return 'patient';
  return levelOfTag(tag);
}

/** What only the node that was asked can say, or what says how to read the query: nobody's keys here. */
export const askersKeys: ReadonlySet<Tag> = new Set([
  // Specific Character Set, Query/Retrieve Level and View, Retrieve AE Title, Retrieve URL.
  '00080005',
  '00080052',
  '00080053',
  '00080054',
  '00081190',
]);
