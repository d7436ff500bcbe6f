import { type Attribute, attribute, clip, type Dataset, sequence, singleValue } from './dataset.js';
import type { Code } from '../result.js';

/** Code Value is an SH; a longer one goes into Long Code Value (PS3.3 8.1). */
const shortStringCharactersMax = 16;
const longStringCharactersMax = 64;

/** An item of a code sequence (PS3.3 table 8.8-1). */
export function codeItem(code: Code): Dataset {
  const value: Dataset =
    code.value.length <= shortStringCharactersMax
      ? { '00080100': attribute('SH', code.value) }
      : { '00080119': attribute('UC', code.value) };
  return {
    ...value,
    '00080102': attribute('SH', code.scheme),
    '00080104': longString(code.meaning || code.value),
  };
}

export const codeSequence = (code: Code): Attribute => sequence(codeItem(code));

export const longString = (text: string): Attribute =>
  attribute('LO', clip(singleValue(text), longStringCharactersMax));

const dcm = (value: string, meaning: string): Code => ({ value, scheme: 'DCM', meaning });
const sct = (value: string, meaning: string): Code => ({ value, scheme: 'SCT', meaning });

/** Concepts of PS3.16 the documents use. */
export const concepts = {
  artificialIntelligence: dcm('123110', 'Artificial Intelligence'),
  segmentation: dcm('113076', 'Segmentation'),
  sourceImageForProcessing: dcm('121322', 'Source image for image processing operation'),
  imagingMeasurementReport: dcm('126000', 'Imaging Measurement Report'),
  language: dcm('121049', 'Language of Content Item and Descendants'),
  english: { value: 'en-US', scheme: 'RFC5646', meaning: 'English (United States)' },
  observerType: dcm('121005', 'Observer Type'),
  device: dcm('121007', 'Device'),
  deviceObserverUid: dcm('121012', 'Device Observer UID'),
  deviceObserverName: dcm('121013', 'Device Observer Name'),
  deviceObserverManufacturer: dcm('121014', 'Device Observer Manufacturer'),
  deviceObserverModelName: dcm('121015', 'Device Observer Model Name'),
  deviceObserverSerialNumber: dcm('121016', 'Device Observer Serial Number'),
  procedureReported: dcm('121058', 'Procedure reported'),
  imagingMeasurements: dcm('126010', 'Imaging Measurements'),
  measurementGroup: dcm('125007', 'Measurement Group'),
  trackingIdentifier: dcm('112039', 'Tracking Identifier'),
  trackingUniqueIdentifier: dcm('112040', 'Tracking Unique Identifier'),
  finding: dcm('121071', 'Finding'),
  findingCategory: sct('276214006', 'Finding category'),
  findingSite: sct('363698007', 'Finding Site'),
  laterality: sct('272741003', 'Laterality'),
  measurementMethod: sct('370129005', 'Measurement Method'),
  algorithmName: dcm('111001', 'Algorithm Name'),
  algorithmVersion: dcm('111003', 'Algorithm Version'),
  referencedSegment: dcm('121191', 'Referenced Segment'),
  sourceSeriesForSegmentation: dcm('121232', 'Source series for segmentation'),
  qualitativeEvaluations: { value: 'C0034375', scheme: 'UMLS', meaning: 'Qualitative Evaluations' },
  presenceOfProperty: dcm('121052', 'Presence of property'),
  present: sct('52101004', 'Present'),
  absent: sct('2667000', 'Absent'),
  certaintyOfFinding: dcm('111012', 'Certainty of Finding'),
  comment: dcm('121106', 'Comment'),
} as const satisfies Record<string, Code>;

/** LOINC procedures by modality (CID 100 gives the wider set); others are named by their modality alone. */
const procedures: Readonly<Record<string, Code>> = {
  CT: { value: '25045-6', scheme: 'LN', meaning: 'CT unspecified body region' },
  MR: { value: '25056-3', scheme: 'LN', meaning: 'MR unspecified body region' },
  DX: { value: '43468-8', scheme: 'LN', meaning: 'XR unspecified body region' },
  CR: { value: '43468-8', scheme: 'LN', meaning: 'XR unspecified body region' },
  US: { value: '25061-3', scheme: 'LN', meaning: 'US unspecified body region' },
  PT: { value: '44136-0', scheme: 'LN', meaning: 'PET unspecified body region' },
};
const diagnosticImaging: Code = { value: '18748-4', scheme: 'LN', meaning: 'Diagnostic imaging study' };

export const procedureOf = (modality: string): Code => procedures[modality] ?? diagnosticImaging;
