import { type Attributes, datasetOf, writeFile } from '@callosum/dicom';
import { nameUid } from '@callosum/kernel';

export interface RejectedReference {
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly sopClassUid?: string;
}

export interface RejectionNoteOptions {
  /** Document title (PS3.16 CID 7011), e.g. ['113037', 'Rejected for Patient Safety Reasons']. */
  readonly title?: readonly [code: string, meaning: string];
  /** Of the note itself and of what it rejects. */
  readonly studyInstanceUid: string;
  readonly patientId?: string;
  /** Its other attributes, where they are not those of tiny objects: a note of another patient has its study quarantined. */
  readonly patient?: Attributes;
  readonly references: readonly RejectedReference[];
  /** What the evidence lists of other studies. */
  readonly elsewhere?: { readonly studyInstanceUid: string; readonly references: readonly RejectedReference[] };
  /** Names its UIDs. */
  readonly salt?: string;
}

const ctImageStorage = '1.2.840.10008.5.1.4.1.1.2';
const code = (value: string, scheme: string, meaning: string): Attributes => ({
  CodeValue: value,
  CodingSchemeDesignator: scheme,
  CodeMeaning: meaning,
});

/** A Key Object Selection Document (PS3.3 A.35.4, TID 2010) that takes instances back, as a modality sends it (IHE RAD IOCM). */
export function rejectionNote(options: RejectionNoteOptions): {
  readonly bytes: Uint8Array;
  readonly sopInstanceUid: string;
} {
  const { title = ['113037', 'Rejected for Patient Safety Reasons'], studyInstanceUid, references } = options;
  const salt = options.salt ?? `${studyInstanceUid}/${title[0]}`;
  const sopInstanceUid = nameUid('rejection-note', salt);
  const evidence = [{ studyInstanceUid, references }, ...(options.elsewhere ? [options.elsewhere] : [])];
  const all = evidence.flatMap((study) => study.references);
  const dataset = datasetOf({
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.88.59',
    SOPInstanceUID: sopInstanceUid,
    StudyInstanceUID: studyInstanceUid,
    SeriesInstanceUID: nameUid('rejection-note-series', salt),
    StudyDate: '20260105',
    StudyTime: '101500',
    AccessionNumber: '',
    Modality: 'KO',
    Manufacturer: 'Callosum',
    ReferringPhysicianName: '',
    PatientName: 'PHANTOM^TINY',
    PatientID: options.patientId ?? 'TINY-0001',
    PatientBirthDate: '19580214',
    PatientSex: 'O',
    ...options.patient,
    StudyID: 'TINY',
    SeriesNumber: 900,
    InstanceNumber: 1,
    ReferencedPerformedProcedureStepSequence: '',
    ContentDate: '20260105',
    ContentTime: '120000',
    CurrentRequestedProcedureEvidenceSequence: evidence.map(evidenceOf),
    ValueType: 'CONTAINER',
    ConceptNameCodeSequence: [code(title[0], 'DCM', title[1])],
    ContinuityOfContent: 'SEPARATE',
    ContentTemplateSequence: [{ MappingResource: 'DCMR', TemplateIdentifier: '2010' }],
    ContentSequence: all.map((one) => ({
      RelationshipType: 'CONTAINS',
      ValueType: 'IMAGE',
      ReferencedSOPSequence: [reference(one)],
    })),
  });
  const bytes = writeFile(dataset, {
    implementationClassUid: nameUid('implementation', 'phantom'),
    implementationVersionName: 'CALLOSUM_PHANTOM',
  });
  return { bytes, sopInstanceUid };
}

const reference = ({ sopInstanceUid, sopClassUid = ctImageStorage }: RejectedReference): Attributes => ({
  ReferencedSOPClassUID: sopClassUid,
  ReferencedSOPInstanceUID: sopInstanceUid,
});

/** Hierarchical SOP Instance Reference Macro (PS3.3 table C.17-3). */
function evidenceOf(study: { readonly studyInstanceUid: string; readonly references: readonly RejectedReference[] }) {
  const series = [...new Set(study.references.map(({ seriesInstanceUid }) => seriesInstanceUid))];
  return {
    StudyInstanceUID: study.studyInstanceUid,
    ReferencedSeriesSequence: series.map((uid) => ({
      SeriesInstanceUID: uid,
      ReferencedSOPSequence: study.references.filter((one) => one.seriesInstanceUid === uid).map(reference),
    })),
  };
}
