import type { Archive } from '@callosum/archive';
import { CallosumError } from '@callosum/kernel';
import type { Kysely } from 'kysely';

import type { RetentionArchive } from '../application/keep-or-let-go.js';
import type { IndexedPatients, NoteArchive } from '../application/obey-note.js';
import type { RejectedInstance, RejectionNote } from '../domain/rejection-note.js';
import type { StudyIndexTables } from './tables.js';
import { instancesOfOtherPatient } from './withheld.js';

/** The archive's tombstones, as the index asks for them. */
export class ArchiveTombstones implements NoteArchive, RetentionArchive {
  constructor(private readonly archive: Pick<Archive, 'tombstones'>) {}

  async reject(
    { studyInstanceUid, sopInstanceUid, code }: RejectionNote,
    instances: readonly RejectedInstance[],
    eraseAfterMs: number | null,
  ): Promise<number> {
    const recorded = await this.archive.tombstones.hideInstances(studyInstanceUid, instances, {
      reason: 'rejection-note',
      code: { value: code, scheme: 'DCM' },
      cause: sopInstanceUid,
      actor: sopInstanceUid,
      eraseAfterMs,
    });
    return recorded.instances;
  }

  async letGo(studyInstanceUid: string, eraseAfterMs: number | null): Promise<number> {
    const { legalHold, sequence, tombstones } = await this.archive.tombstones.status(studyInstanceUid);
    // What a person took back is kept until a person decides otherwise, or it would be hidden again every day.
    const isTakenBack = tombstones.some(({ effect, reason }) => effect === 'restored' && reason === 'person');
    if (legalHold || isTakenBack) return 0;
    const hide = { reason: 'retention', actor: 'retention', eraseAfterMs, expectedSequence: sequence } as const;
    try {
      return (await this.archive.tombstones.hide({ studyInstanceUid }, hide)).instances;
    } catch (error) {
      // Somebody decided on it meanwhile, or nothing is left: the next turn sees.
      if (error instanceof CallosumError && (error.kind === 'conflict' || error.kind === 'not-found')) return 0;
      throw error;
    }
  }
}

export class PostgresIndexedPatients implements IndexedPatients {
  constructor(private readonly db: Kysely<StudyIndexTables>) {}

  ofOtherPatient(studyInstanceUid: string, sopInstanceUids: readonly string[], patientId: string): Promise<string[]> {
    return instancesOfOtherPatient(this.db, studyInstanceUid, sopInstanceUids, patientId);
  }
}
