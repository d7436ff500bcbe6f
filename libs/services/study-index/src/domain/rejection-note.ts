import type { DicomJson, InstanceRecord, StoredInstance } from './instance.js';
import { jsonText } from './instance.js';

/** Key Object Selection Document Storage (PS3.3 A.35.4). */
const keyObjectSelection = '1.2.840.10008.5.1.4.1.1.88.59';

/** True of what may reject other instances. */
export const maySpeakOfOthers = ({ sopClassUid }: Pick<StoredInstance, 'sopClassUid'>): boolean =>
  sopClassUid === keyObjectSelection;

/**
 * Document titles that reject what they reference (PS3.16 CID 7011; IHE RAD TF-3 4.66): for quality, for patient safety,
 * a wrong worklist entry, a retention period that is over.
 */
export const rejections = {
  '113001': 'quality',
  '113037': 'patient-safety',
  '113038': 'incorrect-worklist-entry',
  '113039': 'retention-expired',
} as const;
export type RejectionCode = keyof typeof rejections;

export interface RejectedInstance {
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
}

/** A Key Object Selection Document that takes back instances of its own study. */
export interface RejectionNote {
  readonly sopInstanceUid: string;
  /** A corrected note under the same UID is a note of its own. */
  readonly instanceRevision: number;
  /** When its object came. */
  readonly storedAt: Date;
  readonly studyInstanceUid: string;
  readonly code: RejectionCode;
  readonly patientId: string;
  /** '' where the note does not say. */
  readonly issuerOfPatientId: string;
  /** Of the study of the note, as its evidence lists them (PS3.3 C.17.6.2.1). */
  readonly rejected: readonly RejectedInstance[];
  /** What it also references and does not reject: of other studies, or not in its evidence. */
  readonly elsewhere: number;
}

/**
 * Of what is no rejection note: a Key Object Selection Document of others, which may correct one that was. Its number does
 * not say so: a restored database counts anew.
 */
export const mayRejectNoMore = (record: InstanceRecord): boolean =>
  record.sopClassUid === keyObjectSelection && !record.issuedByCallosum;

/** The rejection note that an instance is; undefined for any other. */
export function rejectionNoteOf(record: InstanceRecord): RejectionNote | undefined {
  const { sopClassUid, metadata, studyInstanceUid, sopInstanceUid, patient } = record;
  if (sopClassUid !== keyObjectSelection || record.issuedByCallosum) return undefined;
  const [title] = itemsOf(metadata, '0040A043');
  if (!title || jsonText(title, '00080102') !== 'DCM') return undefined;
  const code = jsonText(title, '00080100');
  if (!isRejection(code)) return undefined;
  const evidence = itemsOf(metadata, '0040A375');
  const own = evidence.filter((study) => jsonText(study, '0020000D') === studyInstanceUid);
  const rejected = own.flatMap(instancesOf).filter((one) => one.sopInstanceUid !== sopInstanceUid);
  const known = new Set(rejected.map((one) => one.sopInstanceUid));
  const others = [...evidence.flatMap(instancesOf).map((one) => one.sopInstanceUid), ...contentReferences(metadata)];
  const elsewhere = new Set(others.filter((uid) => !known.has(uid) && uid !== sopInstanceUid)).size;
  const { patientId, issuerOfPatientId } = patient;
  const { instanceRevision, storedAt } = record;
  return {
    sopInstanceUid,
    instanceRevision,
    storedAt,
    studyInstanceUid,
    code,
    patientId,
    issuerOfPatientId,
    rejected,
    elsewhere,
  };
}

const isRejection = (code: string): code is RejectionCode => Object.hasOwn(rejections, code);

/** Referenced Series Sequence with its Referenced SOP Sequence (PS3.3 table C.17-3). */
const instancesOf = (study: DicomJson): RejectedInstance[] =>
  itemsOf(study, '00081115').flatMap((series) =>
    itemsOf(series, '00081199').flatMap((instance) => {
      const sopInstanceUid = jsonText(instance, '00081155');
      return sopInstanceUid === '' ? [] : [{ seriesInstanceUid: jsonText(series, '0020000E'), sopInstanceUid }];
    }),
  );

/** A template TID 2010 document is flat; what lies deeper in a content tree is not of it. */
const contentReferences = (metadata: DicomJson): string[] =>
  itemsOf(metadata, '0040A730').flatMap((item) =>
    itemsOf(item, '00081199')
      .map((reference) => jsonText(reference, '00081155'))
      .filter((uid) => uid !== ''),
  );

const itemsOf = (dataset: DicomJson, tag: string): DicomJson[] =>
  (dataset[tag]?.vr === 'SQ' ? (dataset[tag].Value ?? []) : []).filter(
    (item): item is DicomJson => typeof item === 'object' && item !== null,
  );
