import type { Archive, NoteDecision, TakenBack } from '@callosum/archive';
import type { Kysely } from 'kysely';

import type { AgedStudy, Over, RetentionArchive } from '../application/keep-or-let-go.js';
import type { UnrejectingArchive } from '../application/judge-rejected.js';
import type { IndexedPatients, NoteArchive, NoteRevision, Standing } from '../application/obey-note.js';
import type { RejectedInstance, RejectionNote } from '../domain/rejection-note.js';
import { causeOf, standingOf } from './note-revisions.js';
import type { StudyIndexTables } from './tables.js';
import { instancesOfOtherPatient } from './withheld.js';

const isOvertaken =
  (revision: NoteRevision) =>
  (decisions: readonly NoteDecision[]): boolean =>
    standingOf(revision, decisions) === 'overtaken';

/** The archive's tombstones, as the index asks for them. */
export class ArchiveTombstones implements NoteArchive, RetentionArchive, UnrejectingArchive {
  constructor(private readonly archive: Pick<Archive, 'tombstones'>) {}

  async standingOf(revision: NoteRevision): Promise<Standing> {
    return standingOf(revision, await this.#decisionsOf(revision));
  }

  async reject(
    note: RejectionNote,
    instances: readonly RejectedInstance[],
    eraseAfterMs: number | null,
  ): Promise<number> {
    const recorded = await this.archive.tombstones.hideInstances(note.studyInstanceUid, instances, {
      reason: 'rejection-note',
      code: { value: note.code, scheme: 'DCM' },
      cause: causeOf(note, await this.#decisionsOf(note)),
      isOvertakenBy: isOvertaken(note),
      revisedAt: note.storedAt,
      actor: note.sopInstanceUid,
      eraseAfterMs,
    });
    return recorded.instances;
  }

  async takeBack(revision: NoteRevision, except: readonly RejectedInstance[]): Promise<number> {
    const kept = new Set(except.map(({ sopInstanceUid }) => sopInstanceUid));
    return this.#takeBack(revision, { isWrong: (sopInstanceUid) => !kept.has(sopInstanceUid) });
  }

  async rejectsNothing(revision: NoteRevision, leavesWord = false): Promise<number> {
    const cause = causeOf(revision, await this.#decisionsOf(revision));
    return this.#takeBack(revision, { isWrong: () => true, cause, leavesWord });
  }

  #decisionsOf({ studyInstanceUid, sopInstanceUid }: NoteRevision): Promise<NoteDecision[]> {
    return this.archive.tombstones.decisionsOf(studyInstanceUid, sopInstanceUid);
  }

  async #takeBack(revision: NoteRevision, how: Pick<TakenBack, 'isWrong' | 'cause' | 'leavesWord'>): Promise<number> {
    const { studyInstanceUid, sopInstanceUid: note } = revision;
    const takenBack = { ...how, note, isOvertakenBy: isOvertaken(revision), revisedAt: revision.storedAt };
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
