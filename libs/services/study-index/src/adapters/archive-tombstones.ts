import type { Archive } from '@callosum/archive';
import type { Kysely } from 'kysely';

import type { AgedStudy, Over, RetentionArchive } from '../application/keep-or-let-go.js';
import type { UnrejectingArchive } from '../application/judge-rejected.js';
import type { IndexedPatients, NoteArchive } from '../application/obey-note.js';
import type { RejectedInstance, RejectionNote } from '../domain/rejection-note.js';
import type { StudyIndexTables } from './tables.js';
import { instancesOfOtherPatient } from './withheld.js';

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
      cause: instanceRevision > 1 ? `${sopInstanceUid}/${String(instanceRevision)}` : sopInstanceUid,
      actor: sopInstanceUid,
      eraseAfterMs,
    });
    return recorded.instances;
  }

  async takeBack(
    { studyInstanceUid, sopInstanceUid: note }: Pick<RejectionNote, 'studyInstanceUid' | 'sopInstanceUid'>,
    except: readonly RejectedInstance[],
  ): Promise<number> {
    const kept = new Set(except.map(({ sopInstanceUid }) => sopInstanceUid));
    const isWrong = (sopInstanceUid: string): boolean => !kept.has(sopInstanceUid);
    return (await this.archive.tombstones.unreject(studyInstanceUid, note, isWrong)).instances;
  }

  async unreject(studyInstanceUid: string, sopInstanceUid: string, note: string): Promise<void> {
    await this.archive.tombstones.unreject(studyInstanceUid, note, (other) => other === sopInstanceUid);
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
