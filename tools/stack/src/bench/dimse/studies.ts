import { datasetOf, type DicomJson } from '@callosum/dicom';

/** One of the studies that are searched: the same attributes whoever keeps them. */
export interface BenchStudy {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly patientId: string;
  readonly patientName: string;
  readonly patientBirthDate: string;
  readonly studyDate: string;
  readonly accessionNumber: string;
  readonly modality: string;
}

export const studyDescription = 'CHEST WITHOUT CONTRAST';
export const studyTime = '101500';

const modalities = ['CT', 'MR', 'CR', 'US'];
const studiesOfPatient = 3;
const familyNames = 5_000;
const days = 5_000;
const firstDay = Date.UTC(2012, 0, 1);
const dayMs = 86_400_000;

/** Three studies a patient, twenty a day, one in four of each modality: a mid-sized hospital's shape. @param n from 0 */
export function studyOf(n: number): BenchStudy {
  const patient = Math.floor(n / studiesOfPatient);
  const uid = (kind: number): string => `2.25.7${kind}${String(n).padStart(20, '0')}`;
  const day = new Date(firstDay + (n % days) * dayMs).toISOString();
  return {
    studyInstanceUid: uid(1),
    seriesInstanceUid: uid(2),
    sopInstanceUid: uid(3),
    patientId: `BENCH${String(patient).padStart(8, '0')}`,
    patientName: `NAME${String(patient % familyNames).padStart(4, '0')}^GIVEN${patient}`,
    patientBirthDate: `19${String(patient % 100).padStart(2, '0')}0615`,
    studyDate: day.slice(0, 10).replaceAll('-', ''),
    accessionNumber: `ACC${String(n).padStart(8, '0')}`,
    modality: modalities[Math.floor(n / days) % modalities.length] ?? 'CT',
  };
}

/** As the one instance of the study would have them. */
export const attributesOf = (study: BenchStudy): DicomJson =>
  datasetOf({
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
    SOPInstanceUID: study.sopInstanceUid,
    StudyDate: study.studyDate,
    StudyTime: studyTime,
    AccessionNumber: study.accessionNumber,
    Modality: study.modality,
    ReferringPhysicianName: '',
    StudyDescription: studyDescription,
    PatientName: study.patientName,
    PatientID: study.patientId,
    PatientBirthDate: study.patientBirthDate,
    PatientSex: 'O',
    StudyInstanceUID: study.studyInstanceUid,
    SeriesInstanceUID: study.seriesInstanceUid,
    StudyID: 'BENCH',
    SeriesNumber: 1,
    InstanceNumber: 1,
  });

export interface StudyQuery {
  readonly name: string;
  /** Match keys by keyword. */
  readonly keys: Readonly<Record<string, string>>;
  readonly matches: (study: BenchStudy) => boolean;
  /** Times over one association, of which the first is taken off. */
  readonly repeat: number;
}

/** What a viewer or a PACS asks for most, and everything. */
export function studyQueries(studies: number): StudyQuery[] {
  const wanted = studyOf(Math.floor(studies / 2));
  const family = wanted.patientName.slice(0, wanted.patientName.indexOf('^'));
  const week = [0, 6].map((day) => studyOf(day + 700).studyDate);
  const [from = '', to = ''] = week;
  const repeat = 21;
  return [
    {
      name: 'one StudyInstanceUID',
      keys: { StudyInstanceUID: wanted.studyInstanceUid },
      matches: (study) => study.studyInstanceUid === wanted.studyInstanceUid,
      repeat,
    },
    {
      name: 'one PatientID',
      keys: { PatientID: wanted.patientId },
      matches: (study) => study.patientId === wanted.patientId,
      repeat,
    },
    {
      name: 'one AccessionNumber',
      keys: { AccessionNumber: wanted.accessionNumber },
      matches: (study) => study.accessionNumber === wanted.accessionNumber,
      repeat,
    },
    {
      name: 'family name, with a wildcard',
      keys: { PatientName: `${family}*` },
      matches: (study) => study.patientName.startsWith(family),
      repeat,
    },
    {
      name: 'CT of one week',
      keys: { StudyDate: `${from}-${to}`, ModalitiesInStudy: 'CT' },
      matches: (study) => study.studyDate >= from && study.studyDate <= to && study.modality === 'CT',
      repeat,
    },
    { name: 'every study', keys: {}, matches: () => true, repeat: 1 },
  ];
}

/** Asked for beside the keys that are matched; all of them are kept as such by Orthanc too. */
export const returnKeys = {
  StudyInstanceUID: '',
  StudyDate: '',
  StudyTime: '',
  AccessionNumber: '',
  StudyDescription: '',
  PatientName: '',
  PatientID: '',
  PatientBirthDate: '',
} as const;
