/**
 * Which level of the composite information model an attribute describes (PS3.3 A.1.2): the patient, the study or the
 * series. One table for everybody who asks: what an index keeps once a study or series, and what a derived object
 * takes over from its source. Tags as eight upper-case hex digits.
 */

/**
 * Patient module (C.7.1.1) and the patient's state at the study (C.7.2.2), with the marks of de-identification.
 */
export const patientTags = [
  '00081120',
  '00100010',
  '00100020',
  '00100021',
  '00100022',
  '00100024',
  '00100026',
  '00100027',
  '00100028',
  '00100030',
  '00100032',
  '00100033',
  '00100034',
  '00100035',
  '00100040',
  '00100200',
  '00100212',
  '00100213',
  '00100214',
  '00100215',
  '00100216',
  '00100217',
  '00100218',
  '00100219',
  '00100221',
  '00100222',
  '00100223',
  '00101001',
  '00101002',
  '00101010',
  '00101020',
  '00101021',
  '00101022',
  '00101023',
  '00101024',
  '00101030',
  '00102000',
  '00102110',
  '00102160',
  '00102180',
  '001021A0',
  '001021B0',
  '001021C0',
  '001021D0',
  '00102201',
  '00102202',
  '00102203',
  '00102292',
  '00102293',
  '00102294',
  '00102295',
  '00102296',
  '00102297',
  '00102298',
  '00102299',
  '00104000',
  '00120062',
  '00120063',
  '00120064',
] as const;

/** General Study (C.7.2.1) and the visit and reasons of Patient Study (C.7.2.2), with the character set they stand in. */
export const studyTags = [
  '00080005',
  '00080020',
  '00080030',
  '00080050',
  '00080051',
  '00080090',
  '00080096',
  '0008009C',
  '0008009D',
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
  '00321033',
  '00321034',
  '00321066',
  '00321067',
  '00380010',
  '00380014',
  '00380060',
  '00380062',
  '00380064',
  '00380500',
] as const;

/** Of the request the study answers, which objects carry as if they were the study's (PS3.18 table 10.6.1-5, PS3.4 C.6.2.1). */
export const requestTags = ['00321032', '00321060', '00321064', '00401012', '00402016', '00402017'] as const;

/**
 * Clinical Trial Subject (C.7.1.3) and Clinical Trial Study (C.7.2.3): whole modules, worth something only with
 * their required values.
 */
export const clinicalTrialTags = [
  '00120010',
  '00120020',
  '00120021',
  '00120022',
  '00120023',
  '00120030',
  '00120031',
  '00120040',
  '00120041',
  '00120042',
  '00120043',
  '00120050',
  '00120051',
  '00120052',
  '00120053',
  '00120081',
  '00120082',
  '00120083',
  '00120085',
  '00120086',
  '00120087',
] as const;

/** General Series (C.7.3.1) and General Equipment (C.7.5.1); PS3.18 table 10.6.1-5. */
export const seriesTags = [
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
] as const;

const ofStudy: ReadonlySet<string> = new Set([...patientTags, ...studyTags, ...requestTags, ...clinicalTrialTags]);
const ofSeries: ReadonlySet<string> = new Set(seriesTags);

/** Patients' attributes, of whatever edition of the standard, lie in group 0010. */
const isStudyTag = (tag: string): boolean => ofStudy.has(tag) || tag.startsWith('0010');

/** The level an attribute describes; the patient's are the study's too, for every study has one patient. */
export function levelOfTag(tag: string): 'study' | 'series' | 'instance' {
  if (isStudyTag(tag)) return 'study';
  return ofSeries.has(tag) ? 'series' : 'instance';
}
