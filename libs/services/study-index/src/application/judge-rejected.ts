import type { InstanceRecord, StoredInstance } from '../domain/instance.js';
import type { RejectedInstance, RejectionNote } from '../domain/rejection-note.js';

/** Whose instances a note took what it names for. */
export interface AwaitedRejection {
  readonly noteUid: string;
  readonly patientId: string;
  readonly issuerOfPatientId: string;
}

/** What notes name before it came. */
export interface AwaitedRejections {
  /** Those of these instances that are not indexed. */
  add(note: RejectionNote, instances: readonly RejectedInstance[]): Promise<void>;
  of(studyInstanceUid: string, sopInstanceUid: string): Promise<AwaitedRejection | undefined>;
  forget(studyInstanceUid: string, sopInstanceUid: string): Promise<void>;
  /**
   * Forgets what was named longer ago than this, and what is left of studies that are gone: whose it was said to be. It
   * stays hidden if it comes after all. @returns how many
   */
  forgetOld(days: number): Promise<number>;
}

export interface UnrejectingArchive {
  /** Shows an instance that this note alone hides. */
  unreject(studyInstanceUid: string, sopInstanceUid: string, note: string): Promise<void>;
}

/** Looks at an instance that came hidden. */
export type JudgeRejected = (stored: StoredInstance) => Promise<void>;

/**
 * An instance came that a note named before: it stays hidden if it is of the patient of the note, as far as both say.
 * @param read undefined for what is erased
 * @returns the note that was wrong about it
 */
export async function judgeRejected(
  awaited: AwaitedRejections,
  archive: UnrejectingArchive,
  read: (stored: StoredInstance) => Promise<InstanceRecord | undefined>,
  stored: StoredInstance,
): Promise<string | undefined> {
  const { studyInstanceUid, sopInstanceUid } = stored;
  const rejection = await awaited.of(studyInstanceUid, sopInstanceUid);
  if (!rejection) return undefined;
  const record = await read(stored);
  const isForeign = record !== undefined && isOther(rejection, record.patient);
  if (isForeign) await archive.unreject(studyInstanceUid, sopInstanceUid, rejection.noteUid);
  await awaited.forget(studyInstanceUid, sopInstanceUid);
  return isForeign ? rejection.noteUid : undefined;
}

type Patient = Pick<InstanceRecord['patient'], 'patientId' | 'issuerOfPatientId'>;

const isOther = (a: Patient, b: Patient): boolean =>
  differ(a.patientId, b.patientId) ||
  (a.patientId !== '' && a.patientId === b.patientId && differ(a.issuerOfPatientId, b.issuerOfPatientId));

const differ = (a: string, b: string): boolean => a !== '' && b !== '' && a !== b;
