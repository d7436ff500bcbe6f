import type { InstanceRecord } from '../domain/instance.js';
import type { AwaitedRejections } from './judge-rejected.js';
import { type RejectedInstance, type RejectionNote, rejections } from '../domain/rejection-note.js';

export type NoteRevision = Pick<RejectionNote, 'studyInstanceUid' | 'sopInstanceUid' | 'instanceRevision' | 'storedAt'>;

/** Of a revision: `further` corrects others, `overtaken` has nothing to say, as a later one was obeyed. */
export type Standing = 'first' | 'further' | 'overtaken';

/** Where the archive takes note of what is not to be shown. */
export interface NoteArchive {
  standingOf(revision: NoteRevision): Promise<Standing>;
  /**
   * Hides these instances of the study, those too that come later; once for each note, and nothing where a later revision of
   * it was obeyed. @returns how many; 0 the second time
   */
  reject(note: RejectionNote, instances: readonly RejectedInstance[], eraseAfterMs: number | null): Promise<number>;
  /**
   * Shows again what this note alone hides, but for these instances; nothing where a later revision of the note was obeyed.
   * @returns how many
   */
  takeBack(note: NoteRevision, except: readonly RejectedInstance[]): Promise<number>;
  /**
   * The same of all, for a revision of which nothing is obeyed: an earlier one that comes after it hides nothing.
   * @param leavesWord where there was nothing to take back, too
   */
  rejectsNothing(note: NoteRevision, leavesWord?: boolean): Promise<number>;
}

export interface IndexedPatients {
  /** Those of these instances that are indexed with another Patient ID, or with the same of another issuer. */
  ofOtherPatient(
    studyInstanceUid: string,
    sopInstanceUids: readonly string[],
    patient: Pick<RejectionNote, 'patientId' | 'issuerOfPatientId'>,
  ): Promise<string[]>;
}

/** Takes up what an instance says of others, before it is indexed itself: nothing for what is no rejection note. */
export type ObeyNote = (record: InstanceRecord) => Promise<void>;

export interface Obeyed {
  readonly hidden: number;
  /** Referenced and left alone: of another study or patient, or not in the note's evidence. */
  readonly refused: number;
  /** Named by the note that this one corrects, and by this one no more. */
  readonly takenBack: number;
}

/**
 * Obeys a rejection note, for what is its own: instances of its study and patient, listed in its evidence. A note that
 * names more is wrong about that, and nobody can say which of two patients it was meant for.
 */
export async function obeyNote(
  archive: NoteArchive,
  index: IndexedPatients,
  awaited: Pick<AwaitedRejections, 'add'>,
  note: RejectionNote,
  erasureGraceMs: number | null,
): Promise<Obeyed> {
  const standing = await archive.standingOf(note);
  // It does not say again whose patient it meant either: the later one may have said otherwise.
  if (standing === 'overtaken') return { hidden: 0, refused: 0, takenBack: 0 };
  const uids = note.rejected.map(({ sopInstanceUid }) => sopInstanceUid);
  const foreign = new Set(await index.ofOtherPatient(note.studyInstanceUid, uids, note));
  const instances = note.rejected.filter(({ sopInstanceUid }) => !foreign.has(sopInstanceUid));
  const refused = foreign.size + note.elsewhere;
  if (instances.length === 0)
    return { hidden: 0, refused, takenBack: standing === 'further' ? await archive.rejectsNothing(note, true) : 0 };
  // What is rejected for quality or safety is evidence of that; only what was kept for long enough goes.
  const eraseAfterMs = rejections[note.code] === 'retention-expired' ? erasureGraceMs : null;
  // Before they are hidden: what comes at this moment must find whose it is said to be.
  if (note.patientId !== '') await awaited.add(note, instances);
  const hidden = await archive.reject(note, instances, eraseAfterMs);
  const takenBack = standing === 'further' ? await archive.takeBack(note, instances) : 0;
  return { hidden, refused, takenBack };
}
