import { datasetOf, type DicomJson } from '@callosum/dicom';
import { isUid } from '@callosum/kernel';

/**
 * What is pulled: a study, what has an accession number, or studies of a patient. Identifies a patient: it stands in this
 * service's schema for some days and goes nowhere else but to the source.
 */
export interface PullSelector {
  readonly studyInstanceUid?: string | undefined;
  readonly accessionNumber?: string | undefined;
  readonly patientId?: string | undefined;
  readonly issuerOfPatientId?: string | undefined;
  /** Any of them; with a patient only, as the dates. */
  readonly modalities?: readonly string[] | undefined;
  /** DA, both included. */
  readonly studyDateFrom?: string | undefined;
  readonly studyDateTo?: string | undefined;
}

/** A study the source has. */
export interface FoundStudy {
  readonly studyInstanceUid: string;
  /** As the source says; undefined when it does not. */
  readonly instances: number | undefined;
  /** SOP Classes in Study (0008,0062), where the source says. */
  readonly sopClassUids: readonly string[];
  /** Why it is not asked for though it may be one that was meant: a code. */
  readonly leftOut?: LeftOutCode;
}

/** Of a study whose source does not state the issuer asked for: the same Patient ID may be another patient's. */
export const issuerNotStatedCode = 'dimse-ingest.issuer-not-stated';

/**
 * Codes of studies that are left out: the source may not have looked at the key, so that they may be anybody's. The gravest
 * first.
 */
export const leftOutCodes = [
  'dimse-ingest.patient-id-not-stated',
  'dimse-ingest.accession-number-not-stated',
  issuerNotStatedCode,
  'dimse-ingest.study-date-not-stated',
] as const;
export type LeftOutCode = (typeof leftOutCodes)[number];

/** The source ended the C-FIND with a warning, or cancelled it: it may have more studies than it said. */
export const matchesCutCode = 'dimse-ingest.matches-incomplete';
/** A match could not be read: which study it is nobody knows. */
export const matchUnreadableCode = 'dimse-ingest.match-unreadable';

const tags = {
  studyDate: '00080020',
  accessionNumber: '00080050',
  modalitiesInStudy: '00080061',
  sopClassesInStudy: '00080062',
  patientId: '00100020',
  issuerOfPatientId: '00100021',
  studyInstanceUid: '0020000D',
  studyInstances: '00201208',
} as const;

/** The identifier of the C-FIND that looks for it: Study Root, study level (PS3.4 C.6.2.1). */
export function findIdentifier(selector: PullSelector): DicomJson {
  const { studyDateFrom = '', studyDateTo = '', modalities = [], issuerOfPatientId } = selector;
  return datasetOf({
    QueryRetrieveLevel: 'STUDY',
    StudyDate: studyDateFrom || studyDateTo ? `${studyDateFrom}-${studyDateTo}` : null,
    AccessionNumber: selector.accessionNumber ?? null,
    // A list is matched by few: of several the answers are looked at instead.
    ModalitiesInStudy: modalities.length === 1 ? [...modalities] : null,
    SOPClassesInStudy: null,
    PatientID: selector.patientId ?? null,
    ...(issuerOfPatientId === undefined ? {} : { IssuerOfPatientID: issuerOfPatientId }),
    StudyInstanceUID: selector.studyInstanceUid ?? null,
    NumberOfStudyRelatedInstances: null,
  });
}

/** The identifier of a C-MOVE or C-GET of one study. */
export const retrieveIdentifier = (studyInstanceUid: string): DicomJson =>
  datasetOf({ QueryRetrieveLevel: 'STUDY', StudyInstanceUID: studyInstanceUid });

/**
 * The study of a match; undefined when it is none, or is not what was asked for: a source that does not know a key
 * matches everything by it (PS3.4 C.2.2.1.2), and nobody wants its whole archive. Where the answer does not state what was
 * asked for, all of which is required of it (PS3.4 table C.6-5) but the issuer, the study is left out.
 */
export function studyOf(match: DicomJson, selector: PullSelector): FoundStudy | undefined {
  const [studyInstanceUid = ''] = textOf(match, tags.studyInstanceUid);
  if (!isUid(studyInstanceUid) || !isWanted(match, selector)) return undefined;
  const [count] = textOf(match, tags.studyInstances);
  const instances = count !== undefined && /^\d{1,9}$/.test(count) ? Number(count) : undefined;
  const leftOut = whyLeftOut(match, selector);
  return {
    studyInstanceUid,
    instances,
    sopClassUids: textOf(match, tags.sopClassesInStudy).filter(isUid),
    ...(leftOut === undefined ? {} : { leftOut }),
  };
}

function whyLeftOut(match: DicomJson, selector: PullSelector): LeftOutCode | undefined {
  const asked: Readonly<Record<LeftOutCode, readonly [tag: string, wanted: string | undefined]>> = {
    'dimse-ingest.patient-id-not-stated': [tags.patientId, selector.patientId],
    'dimse-ingest.accession-number-not-stated': [tags.accessionNumber, selector.accessionNumber],
    [issuerNotStatedCode]: [tags.issuerOfPatientId, selector.issuerOfPatientId],
    'dimse-ingest.study-date-not-stated': [tags.studyDate, selector.studyDateFrom ?? selector.studyDateTo],
  };
  return leftOutCodes.find((code) => {
    const [tag, wanted] = asked[code];
    return wanted !== undefined && textOf(match, tag).length === 0;
  });
}

function isWanted(match: DicomJson, selector: PullSelector): boolean {
  const { modalities = [], studyDateFrom, studyDateTo } = selector;
  const same = (tag: string, wanted: string | undefined): boolean => {
    const [given] = textOf(match, tag);
    return wanted === undefined || given === undefined || given === wanted;
  };
  const [date] = textOf(match, tags.studyDate);
  const inStudy = textOf(match, tags.modalitiesInStudy);
  return (
    same(tags.studyInstanceUid, selector.studyInstanceUid) &&
    same(tags.accessionNumber, selector.accessionNumber) &&
    same(tags.patientId, selector.patientId) &&
    same(tags.issuerOfPatientId, selector.issuerOfPatientId) &&
    (modalities.length === 0 || inStudy.length === 0 || inStudy.some((one) => modalities.includes(one))) &&
    (date === undefined || ((!studyDateFrom || date >= studyDateFrom) && (!studyDateTo || date <= studyDateTo)))
  );
}

function textOf(dataset: DicomJson, tag: string): string[] {
  return (dataset[tag]?.Value ?? []).flatMap((value) =>
    typeof value === 'string' || typeof value === 'number' ? [String(value).trim()].filter((text) => text !== '') : [],
  );
}
