import type { Archive, TakenBack } from '@callosum/archive';
import type { Kysely } from 'kysely';

import type { AgedStudy, Over, RetentionArchive } from '../application/keep-or-let-go.js';
import type { UnrejectingArchive } from '../application/judge-rejected.js';
import type { IndexedPatients, NoteArchive, NoteRevision } from '../application/obey-note.js';
import type { RejectedInstance, RejectionNote } from '../domain/rejection-note.js';
import type { StudyIndexTables } from './tables.js';
import { instancesOfOtherPatient } from './withheld.js';

/** Each revision of a note is obeyed once. */
const causeOf = (note: string, revision: number): string => (revision > 1 ? `${note}/${String(revision)}` : note);
/** 0 for what is none of the note's. */
const revisionOf = (note: string, cause: string): number =>
  cause === note ? 1 : cause.startsWith(`${note}/`) ? Number(cause.slice(note.length + 1)) : 0;
/** Facts may be delivered again, and in another order: an earlier revision overrules no later one, which is obeyed once. */
const isOvertaken =
  ({ sopInstanceUid, instanceRevision }: Pick<NoteRevision, 'sopInstanceUid' | 'instanceRevision'>) =>
  (cause: string): boolean =>
    revisionOf(sopInstanceUid, cause) > instanceRevision;

/** The archive's tombstones, as the index asks for them. */
export class ArchiveTombstones implements NoteArchive, RetentionArchive, UnrejectingArchive {
  constructor(private readonly archive: Pick<Archive, 'tombstones'>) {}

  async reject(
    { studyInstanceUid, sopInstanceUid, instanceRevision, code }: RejectionNote,
    instances: readonly RejectedInstance[],
    eraseAfterMs: number | null,
  ): Promise<number> {
    const recorded = await this.archive.tombstones.hideInstances(studyInstanceUid, instances, {
      reason: 'rejection-note',
      code: { value: code, scheme: 'DCM' },
      cause: causeOf(sopInstanceUid, instanceRevision),
      isOvertakenBy: isOvertaken({ sopInstanceUid, instanceRevision }),
      actor: sopInstanceUid,
      eraseAfterMs,
    });
    return recorded.instances;
  }

  async takeBack(revision: NoteRevision, except: readonly RejectedInstance[]): Promise<number> {
    const kept = new Set(except.map(({ sopInstanceUid }) => sopInstanceUid));
    return this.#takeBack(revision, { isWrong: (sopInstanceUid) => !kept.has(sopInstanceUid) });
  }

  /** The same of all, for a revision that is no rejection note any more. */
  async rejectsNothing(revision: NoteRevision): Promise<number> {
    const cause = causeOf(revision.sopInstanceUid, revision.instanceRevision);
    return this.#takeBack(revision, { isWrong: () => true, cause });
  }

  async #takeBack(revision: NoteRevision, how: Pick<TakenBack, 'isWrong' | 'cause'>): Promise<number> {
    const { studyInstanceUid, sopInstanceUid: note } = revision;
    const takenBack = { ...how, note, isOvertakenBy: isOvertaken(revision) };
    return (await this.archive.tombstones.unreject(studyInstanceUid, takenBack)).instances;
  }

  async unreject(studyInstanceUid: string, sopInstanceUid: string, note: string): Promise<void> {
    await this.archive.tombstones.unreject(studyInstanceUid, { note, isWrong: (other) => other === sopInstanceUid });
  }

  async letGo(
    { studyInstanceUid, sourceInstances }: Pick<AgedStudy, 'studyInstanceUid' | 'sourceInstances'>,
    over: Over,
    eraseAfterMs: number | null,
  ): Promise<number> {
    const how = { ...over, eraseAfterMs, sourceInstances };
    return (await this.archive.tombstones.letGo(studyInstanceUid, how)).instances;
  }
}

export class PostgresIndexedPatients implements IndexedPatients {
  constructor(private readonly db: Kysely<StudyIndexTables>) {}

  ofOtherPatient(
    studyInstanceUid: string,
    sopInstanceUids: readonly string[],
    patient: { readonly patientId: string; readonly issuerOfPatientId: string },
  ): Promise<string[]> {
    return instancesOfOtherPatient(this.db, studyInstanceUid, sopInstanceUids, patient);
  }
}
